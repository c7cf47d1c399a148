"""Opening the database and its two kinds of transaction.

Rules: `Store.read()` gives a snapshot, `Store.write()` takes the write lock at once (``BEGIN IMMEDIATE`` on
SQLite: with a deferred BEGIN 155 of 200 read-then-write transactions died of "database is locked", with
IMMEDIATE none; architecture 2.7). Everything a `write()` block did is committed together or not at all.
Driver errors that an operator can do something about become `StoreUnavailable` with what to do next.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Update, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from digest.model.errors import ConfigInvalid, StoreUnavailable

_BUSY_TIMEOUT_S = 30
_ROOM_TO_WORK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Operator:
    """Whose command a transaction belongs to, for the audit log. ``noted``: subjects that were written down."""

    name: str
    command: str
    detail: str = ""
    noted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction. Store functions take it first and never open their own."""

    connection: Connection
    operator: Operator | None = None
    after: list[Callable[[], None]] = field(default_factory=list, repr=False, compare=False)

    def then(self, act: Callable[[], None]) -> None:
        """Do something once this has been committed, and never if it is rolled back."""
        self.after.append(act)

    @property
    def is_postgres(self) -> bool:
        """Whether this is PostgreSQL (else SQLite)."""
        return self.connection.dialect.name == "postgresql"

    def now(self) -> datetime:
        """The database's clock on PostgreSQL, where workers' clocks may skew; this machine's on SQLite."""
        if self.is_postgres:
            instant: datetime = self.connection.execute(text("SELECT clock_timestamp()")).scalar_one()
            return instant.astimezone(UTC)
        return datetime.now(UTC)

    def run_many(self, statement: Update, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run one prepared statement for many sets of parameters; returns how many rows it changed.

        As executing it would do, at a third of the cost for each set: what its parameters need done to them is
        looked up once for a statement and not for each (12 of 16 µs a row). ``statement`` lives as long as its module.
        """
        prepared = _prepare(statement, self.connection.dialect)
        return int(self.connection.exec_driver_sql(prepared.sql, [prepared.values(row) for row in rows]).rowcount)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement in the driver's words; ``binds`` in the order in which its parameters stand."""

    sql: str
    is_positional: bool
    binds: tuple[tuple[str, Callable[[Any], Any] | None], ...]

    def values(self, row: Mapping[str, Any]) -> Any:
        if self.is_positional:
            return tuple([row[name] if process is None else process(row[name]) for name, process in self.binds])
        return {name: row[name] if process is None else process(row[name]) for name, process in self.binds}


@lru_cache(maxsize=128)
def _prepare(statement: Update, dialect: Dialect) -> _Prepared:
    compiled = statement.compile(dialect=dialect)
    names = compiled.positiontup if compiled.positiontup is not None else list(compiled.binds)
    binds = tuple((name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names)
    return _Prepared(str(compiled), compiled.positiontup is not None, binds)


class Store:
    """A database, open for use. Cheap to create; connections are pooled and opened on first use.

    ``operator`` is who works on it by a command, None for a service; ``before_commit`` runs last in each
    `write` of theirs that changed something.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise ConfigInvalid(
                f"database.url {_without_password(url)!r} is not a database address",
                hint="write sqlite:///digest.db or postgresql+psycopg://user:password@host/name",
            ) from error
        if parsed.drivername in {"postgres", "postgresql"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
            raise ConfigInvalid(
                f"database.url names {parsed.drivername!r}, which Digest does not support",
                hint="use sqlite:///… or postgresql+psycopg://…",
            )
        self.operator: Operator | None = None
        self.before_commit: Callable[[Tx], None] | None = None
        self.url = parsed
        self.is_sqlite = parsed.drivername.startswith("sqlite")
        self._turn = threading.Lock() if self.is_sqlite else None
        self.engine = (
            _sqlite_engine(parsed)
            if self.is_sqlite
            else create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
        )

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, or None for PostgreSQL and in-memory databases."""
        name = self.url.database
        if not self.is_sqlite or not name or name == ":memory:":
            return None
        # "file:PATH?mode=ro&uri=true" is SQLite's own way to say more than a path
        return Path(name.removeprefix("file:"))

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A read-only view of one moment."""
        with self._translated(), self.engine.connect() as connection:
            connection.info["digest_begin"] = "BEGIN"
            if not self.is_sqlite:
                # READ COMMITTED would show each statement another moment
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield Tx(connection)

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction that commits at the end of the block, or rolls all of it back on an error."""
        with self._translated(), self._turn_to_write(), self.engine.connect() as connection:
            connection.info["digest_begin"] = "BEGIN IMMEDIATE"
            tx = Tx(connection, self.operator)
            noted = len(tx.operator.noted) if tx.operator else 0
            try:
                with connection.begin(), _watched(tx) as changed:
                    yield tx
                    if self.before_commit is not None and changed:
                        self.before_commit(tx)
            except BaseException:
                if tx.operator:
                    del tx.operator.noted[noted:]  # it was rolled back with the rest
                raise
        for act in tx.after:
            act()

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """Let one thread of this process write at a time.

        Whoever finds SQLite locked sleeps and looks again, up to 0.1 s at a time and in no order: of 100 sign-ups a
        second one in a hundred took 3 s. Other processes are waited for by SQLite itself.
        """
        mine = self._turn is not None and self._turn.acquire(timeout=_BUSY_TIMEOUT_S)
        try:
            yield
        finally:
            if self._turn is not None and mine:
                self._turn.release()

    def close(self) -> None:
        """Return every pooled connection."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise self._explain(error) from error
        except DatabaseError as error:
            # sqlite3 reports "malformed" and "not a database" as plain DatabaseError
            if isinstance(error.orig, sqlite3.DatabaseError) and type(error.orig) is sqlite3.DatabaseError:
                raise self._explain(error) from error
            raise

    def _explain(self, error: DatabaseError) -> StoreUnavailable:
        cause = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        where = str(self.sqlite_path or self.url.render_as_string(hide_password=True))
        if "disk i/o error" in cause.lower() and self._disk_is_full():
            cause = f"database or disk is full: {cause}"
        for needle, message, hint in _REMEDIES:
            if needle in cause.lower():
                return StoreUnavailable(f"database {where}: {message} ({cause})", hint=hint)
        return StoreUnavailable(f"database {where}: {cause}", hint="run `digest doctor` to check the database")

    def _disk_is_full(self) -> bool:
        """SQLite calls a full disk an I/O error when it was writing its shared-memory file."""
        path = self.sqlite_path
        return path is not None and shutil.disk_usage(path.parent).free < _ROOM_TO_WORK_BYTES


_REMEDIES = (
    ("readonly", "is read-only", "give this user write permission on the file and on its folder"),
    ("read-only", "is read-only", "connect to the primary server, or give this user write permission"),
    ("disk is full", "the disk is full; nothing was half-written", "free some space, then run the command again"),
    ("no space left", "the disk is full; nothing was half-written", "free some space, then run the command again"),
    ("disk i/o error", "cannot be read or written", "check the disk and its free space, then run it again"),
    ("unable to open", "cannot be opened", "check that the folder exists and may be written, or run `digest init`"),
    ("locked", "is locked by another program", "close whatever holds it open, then run the command again"),
    ("no such table", "has no tables yet", "run `digest db upgrade`"),
    ("no such column", "has an older schema", "run `digest db upgrade`"),
    ("not a database", "is not an SQLite database", "set database.url to another file"),
    ("malformed", "is damaged", "restore it from a backup"),
    ("password authentication", "refused the login", "check user and password in database.url"),
    ("connection refused", "does not answer", "start PostgreSQL, or check host and port in database.url"),
    ("does not exist", "does not exist", "create the database first (createdb), or check database.url"),
)


@contextmanager
def _watched(tx: Tx) -> Iterator[list[str]]:
    """The statements of an operator's transaction that changed rows; of any other's nothing is watched."""
    changed: list[str] = []
    if tx.operator is None:
        yield changed
        return

    def note(_connection: Any, cursor: Any, sql: str, *_more: object) -> None:
        if cursor.rowcount and sql.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE"}:
            changed.append(sql)

    event.listen(tx.connection, "after_cursor_execute", note)
    try:
        yield changed
    finally:
        event.remove(tx.connection, "after_cursor_execute", note)


def _without_password(url: str) -> str:
    return re.sub(r":[^:@/]*@", ":…@", url)


def _sqlite_engine(url: Any) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,  # error texts reach logs; addresses and tokens must not
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_S * 1000}")
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # A read-only file can still be read; the first write reports it in plain words.
            if "readonly" not in str(error):
                raise
        cursor.execute("PRAGMA synchronous = FULL")  # a 250 from the relay must not be forgotten by a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.info.get("digest_begin", "BEGIN"))

    return engine
