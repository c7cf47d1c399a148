"""Projects with readers in them, made once and copied for every run; on SQLite a file, on PostgreSQL a template.

The PostgreSQL cluster is thrown away afterwards. Unlike that of the tests it writes to the disk what it says it has
written.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from bench import BUILD, ROOT
from bench.runs import RunFailed, run
from bench.workshop import DIGEST, NotHere
from support import postgres

CONFIG = "digest.toml"


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder of the product with its own database."""

    folder: Path
    url: str

    def states(self) -> dict[str, tuple[str, int | None]]:
        """By address what became of it, and the reply code on record; read past the product's own code."""
        query = (
            "SELECT subscriber.email, delivery.state, delivery.reply_code FROM delivery"
            " JOIN subscriber ON subscriber.id = delivery.subscriber_id"
        )
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.folder / "digest.db")) as database:
                rows = database.execute(query).fetchall()
        else:
            told = _client("psql", self.url, "-At", "-F", "\t", "-c", query)
            rows = [line.split("\t") for line in told.splitlines()]
        return {email: (state, int(code) if code else None) for email, state, code in rows}


class Databases:
    """Makes projects, and remembers those it copies from; a context manager that takes everything away again."""

    def __init__(self) -> None:
        BUILD.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="work-", dir=BUILD))
        self._stock: dict[tuple[int, str, str, bool], Project] = {}
        self._cluster_url: str | None = None
        self._cluster_folder: Path | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._cluster_folder is not None:
            postgres.stop_shared(self._cluster_folder)
            shutil.rmtree(self._cluster_folder)
        shutil.rmtree(self.folder)

    @contextmanager
    def project(
        self, readers: int, *, database: str = "sqlite", state: str = "composed", mixed: bool = False
    ) -> Iterator[Project]:
        """A fresh copy of a project with so many readers and an issue in ``state``; gone afterwards."""
        made = self._stocked(readers, database=database, state=state, mixed=mixed)
        number = next(self._numbers)
        folder = self.folder / f"run-{number}"
        shutil.copytree(made.folder, folder)
        copy = Project(folder, made.url)
        if database == "postgres":
            name = f"run_{number}"
            _client("createdb", made.url, "-T", _name(made.url), name)
            copy = Project(folder, _renamed(made.url, name))
        try:
            yield copy
        finally:
            if database == "postgres":
                _client("dropdb", made.url, "--force", _name(copy.url))
            shutil.rmtree(folder)

    def _stocked(self, readers: int, *, database: str, state: str, mixed: bool) -> Project:
        key = (readers, database, state, mixed)
        if key not in self._stock:
            number = next(self._numbers)
            folder, url = self.folder / f"stock-{number}", "sqlite:///digest.db"
            if database == "postgres":
                url = _renamed(self._cluster(), f"stock_{number}")
                _client("createdb", self._cluster(), f"stock_{number}")
            run([DIGEST, "init", folder, "--base-url", "https://news.example.com", "--database", url], cwd=ROOT)
            extra = ["--mixed"] if mixed else []
            fill = [sys.executable, "-m", "bench.stock", folder, "--readers", readers, "--state", state]
            run([*fill, *extra], cwd=ROOT)
            if database == "postgres":
                _client("vacuumdb", url, "--analyze", "--quiet", _name(url))  # as autovacuum would have by then
            self._stock[key] = Project(folder, url)
        return self._stock[key]

    def forget(self, readers: int) -> None:
        """Take the stock of one size away; a million readers are some hundred megabytes."""
        for key in [key for key in self._stock if key[0] == readers]:
            gone = self._stock.pop(key)
            if key[1] == "postgres":
                _client("dropdb", self._cluster(), "--force", _name(gone.url))
            shutil.rmtree(gone.folder)

    def server_cpu_s(self) -> float:
        """CPU of the PostgreSQL server and of all its processes, those that have ended included."""
        if self._cluster_folder is None:
            return 0.0
        pid = (self._cluster_folder / "pg" / "postmaster.pid").read_text().split()[0]
        return _family_cpu_s(int(pid))

    def _cluster(self) -> str:
        if self._cluster_url is None:
            if postgres.find_binaries() is None:
                raise NotHere("PostgreSQL is missing: apt-get install postgresql")
            # Not below the build folder: the server's account must be able to walk there.
            self._cluster_folder = Path(tempfile.mkdtemp(prefix="digest-bench-"))
            self._cluster_url = postgres.shared_cluster(self._cluster_folder, durable=True)
        return self._cluster_url


def _family_cpu_s(pid: int) -> float:
    """User and system time of a process, its living children and those it has buried."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # ended while we looked
            continue
        if int(process.name) == pid:
            ticks += sum(int(word) for word in words[11:15])
        elif int(words[1]) == pid:
            ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _name(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


def _renamed(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _client(program: str, url: str, *arguments: str) -> str:
    """Run one of PostgreSQL's client programs against the server of ``url``. Raises RunFailed."""
    binaries = postgres.find_binaries()
    assert binaries is not None
    at = urlsplit(url)
    connection = ["-h", str(at.hostname), "-p", str(at.port), "-U", str(at.username)]
    database = ["-d", _name(url)] if program == "psql" else []
    done = subprocess.run(
        [binaries / program, *connection, *database, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RunFailed(f"{program}: {done.stderr.strip()}")
    return done.stdout
