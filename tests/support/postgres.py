"""A PostgreSQL for the tests: the one named by DIGEST_TEST_PG, or a throw-away cluster of this run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text


def find_binaries() -> Path | None:
    """The folder with initdb and postgres: the newest in Debian's place, else wherever PATH has them."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if candidates:
        return candidates[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _as_postgres() -> dict[str, object]:
    """initdb refuses to run as root: drop to the postgres account there."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def shared_cluster(folder: Path, *, durable: bool = False) -> str:
    """Start a throw-away cluster below ``folder``, or find the one another test process started there.

    Gives the address of its maintenance database. `stop_shared` ends it. ``durable``: it syncs, as measuring needs.
    """
    with (folder / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        note = folder / "postgres.json"
        if not note.exists():
            note.write_text(json.dumps(_start(folder, durable=durable)))
        return str(json.loads(note.read_text())["url"])


@contextlib.contextmanager
def copied(url: str, template: str) -> Iterator[str]:
    """The address of a fresh copy of database ``template``; ``url`` is the server's maintenance database."""
    name = f"digest_{uuid4().hex[:12]}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def stop_shared(folder: Path) -> None:
    """End the cluster that `shared_cluster` started below ``folder``, if there is one."""
    note = folder / "postgres.json"
    binaries = find_binaries()
    if note.exists() and binaries is not None:
        _pg_ctl(binaries, "stop", "-D", folder / "pg", "-m", "immediate", log=folder / "pg.log")
        note.unlink()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server of one test's own, which it may ill-treat."""

    folder: Path
    url: str

    def restart(self) -> None:
        """What a crash of the server and its start look like: connections die, nothing is finished, WAL is replayed."""
        binaries = find_binaries()
        assert binaries is not None
        _pg_ctl(binaries, "restart", "-D", self.folder / "pg", "-m", "immediate", "-w", "-t", "90", log=self.log)

    @property
    def log(self) -> Path:
        """What pg_ctl said."""
        return self.folder / "pg.log"


@contextlib.contextmanager
def own_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster below ``folder``, and end it. It need not sync: processes die here, the machine does not."""
    folder.mkdir()
    started = _start(folder, durable=False)
    try:
        yield Cluster(folder, str(started["url"]))
    finally:
        binaries = find_binaries()
        assert binaries is not None
        _pg_ctl(binaries, "stop", "-D", folder / "pg", "-m", "immediate", log=folder / "pg.log")


def _pg_ctl(binaries: Path, *arguments: object, log: Path) -> None:
    with log.open("ab") as output:
        subprocess.run(
            [binaries / "pg_ctl", *map(str, arguments)],
            check=True,
            stdout=output,
            stderr=output,
            cwd="/",
            **_as_postgres(),  # type: ignore[call-overload]
        )


def _start(folder: Path, *, durable: bool) -> dict[str, object]:
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError("no PostgreSQL server found")
    drop = _as_postgres()
    data = folder / "pg"
    data.mkdir()
    if drop:
        account = pwd.getpwnam("postgres")
        os.chown(data, account.pw_uid, account.pw_gid)
        for parent in data.parents:  # pytest's folders are for root only: let the account pass through
            if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    port, log = free_port(), folder / "pg.log"
    _pg_ctl(binaries, "initdb", "-D", data, "-o", "-U digest -A trust -E UTF8 --no-sync --locale=C", log=log)
    settings = f"-p {port} -h 127.0.0.1 -k {data} -c max_connections=200"
    settings += "" if durable else " -c fsync=off -c full_page_writes=off"
    _pg_ctl(binaries, "start", "-D", data, "-w", "-t", "90", "-o", settings, "-l", data / "server.log", log=log)
    return {"url": f"postgresql+psycopg://digest@127.0.0.1:{port}/postgres"}
