"""A PostgreSQL for the tests: the one named by DIGEST_TEST_PG, or a throw-away cluster of this run."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


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


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Start a throw-away cluster below ``folder``; yields the address of its maintenance database."""
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError("no PostgreSQL server found")
    drop = _as_postgres()
    data = folder / "pg"
    data.mkdir()
    if drop:
        for parent in [data, *data.parents]:
            if parent.stat().st_uid == os.geteuid() and str(parent).startswith("/tmp/"):  # noqa: S108 - pytest's own folder
                parent.chmod(parent.stat().st_mode | 0o011)
        account = pwd.getpwnam("postgres")
        os.chown(data, account.pw_uid, account.pw_gid)
    port = free_port()
    log = (folder / "pg.log").open("wb")
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "digest", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"],
        check=True,
        stdout=log,
        stderr=log,
        cwd="/",
        **drop,  # type: ignore[call-overload]
    )
    server = subprocess.Popen(
        [
            *(binaries / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data),
            *("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200"),
        ],
        stdout=log,
        stderr=log,
        cwd="/",
        **drop,  # type: ignore[call-overload]
    )
    try:
        _wait(binaries, port, server)
        yield f"postgresql+psycopg://digest@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def _wait(binaries: Path, port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if server.poll() is not None:
            raise RuntimeError("PostgreSQL ended at once; see pg.log in the test folder")
        ready = subprocess.run([binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"], check=False)
        if ready.returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start within 10 s")
