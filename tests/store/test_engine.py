"""Opening a database, its two kinds of transaction, and what is said when it cannot be used."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import event, func, make_url, select, text
from sqlalchemy.exc import DatabaseError

from digest.model.errors import AlreadyExists, ConfigInvalid, StoreUnavailable
from digest.store import publications
from digest.store.engine import Operator, Store
from digest.store.tables import publication
from support.factories import make_publication
from support.postgres import free_port


def names(store: Store) -> list[str]:
    with store.read() as tx:
        return [item.slug for item in publications.list_all(tx)]


def refusal(store: Store, act: Callable[[Store], object] = names) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        act(store)
    store.close()
    return caught.value


def add(store: Store, *slugs: str) -> None:
    with store.write() as tx:
        for slug in slugs:
            make_publication(tx, slug)


def test_what_a_write_block_did_is_there_when_it_ends(store: Store):
    add(store, "evening", "morning")

    assert names(store) == ["evening", "morning"]


def test_a_write_block_that_fails_leaves_nothing(store: Store):
    add(store, "morning")
    with pytest.raises(AlreadyExists):
        add(store, "evening", "morning")

    assert names(store) == ["morning"]


def test_a_read_block_shows_one_moment_and_waits_for_nobody(store: Store):
    with store.read() as tx:
        before = publications.list_all(tx)
        add(store, "morning")
        still = publications.list_all(tx)

    assert before == still == []
    assert names(store) == ["morning"]


def test_writers_that_read_first_never_deadlock_and_lose_nothing(store: Store):
    add(store, "morning")
    gate = Barrier(4)

    def count_up(_worker: int) -> None:
        gate.wait()
        for _ in range(50):
            with store.write() as tx:
                seen = tx.connection.execute(select(publication.c.max_items).with_for_update()).scalar_one()
                publications.change(tx, 1, {"max_items": seen + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, range(4)))
    with store.read() as tx:
        assert publications.get(tx, "morning").max_items == 20 + 4 * 50


def test_on_sqlite_the_write_lock_is_taken_when_the_block_begins(sqlite_database: str):
    store = Store(sqlite_database)
    other = sqlite3.connect(str(store.sqlite_path), timeout=0)
    with store.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    with store.read():
        other.execute("BEGIN IMMEDIATE")
    other.close()
    store.close()


def test_the_clock_of_a_transaction_is_aware_utc_and_right(store: Store):
    with store.read() as tx:
        now = tx.now()

    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=30)


@pytest.mark.parametrize(
    "url", ["digest.db", "", "sqlite//x", "mysql://x/y", "sqlite+aiosqlite:///x", "postgresql+asyncpg://x/y"]
)
def test_an_address_of_no_database_we_know_is_refused_with_the_right_form(url: str):
    with pytest.raises(ConfigInvalid, match=r"database\.url") as caught:
        Store(url)

    assert "sqlite:///" in caught.value.hint


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_goes_by_several_names(scheme: str):
    store = Store(f"{scheme}://digest@db.example.com/digest")

    assert store.url.drivername == "postgresql+psycopg"
    assert not store.is_sqlite
    assert store.sqlite_path is None


def test_a_database_in_memory_has_no_file():
    assert Store("sqlite:///:memory:").sqlite_path is None
    assert Store("sqlite:////var/lib/digest.db").sqlite_path == Path("/var/lib/digest.db")


def test_a_missing_folder_is_named_with_what_to_check(tmp_path: Path):
    error = refusal(Store(f"sqlite:///{tmp_path}/no/digest.db"))

    assert f"{tmp_path}/no/digest.db: cannot be opened" in error.message
    assert "folder exists" in error.hint
    assert not (tmp_path / "no").exists()


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path):
    file = tmp_path / "digest.db"
    file.write_text("Dear diary, " * 200)
    error = refusal(Store(f"sqlite:///{file}"))

    assert "is not an SQLite database" in error.message
    assert "database.url" in error.hint
    assert file.read_text() == "Dear diary, " * 200


def test_a_damaged_database_says_so(sqlite_database: str):
    file = Path(make_url(sqlite_database).database or "")
    content = bytearray(file.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    file.write_bytes(content)
    error = refusal(Store(sqlite_database))

    assert "is damaged" in error.message
    assert "backup" in error.hint


def test_an_empty_database_asks_for_its_tables(tmp_path: Path):
    error = refusal(Store(f"sqlite:///{tmp_path}/digest.db"))

    assert "has no tables yet" in error.message
    assert "digest db upgrade" in error.hint


def test_a_read_only_database_can_be_read_and_says_so_when_written(sqlite_database: str):
    written = Store(sqlite_database)
    add(written, "morning")
    written.close()
    file = Path(make_url(sqlite_database).database or "")
    store = Store(f"sqlite:///file:{file}?mode=ro&uri=true")

    assert names(store) == ["morning"]
    error = refusal(store, lambda store: add(store, "evening"))
    assert "is read-only" in error.message
    assert "write permission" in error.hint
    assert names(written) == ["morning"]
    written.close()


def test_a_full_disk_says_so_and_leaves_nothing_half_written(sqlite_database: str):
    store = Store(sqlite_database)
    add(store, "morning")

    def fill(store: Store) -> None:
        with store.write() as tx:
            tx.connection.execute(text("PRAGMA max_page_count = 1"))  # SQLite: no smaller than the file is now
            make_publication(tx, "evening")
            make_publication(tx, "noon", name="N" * 1_000_000)

    with pytest.raises(StoreUnavailable) as caught:
        fill(store)

    assert "the disk is full; nothing was half-written" in caught.value.message
    assert "free some space" in caught.value.hint
    assert names(store) == ["morning"]
    store.close()


def test_a_database_locked_by_another_program_says_so(sqlite_database: str):
    store = Store(sqlite_database)

    @event.listens_for(store.engine, "connect")
    def _impatient(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout = 1")

    other = sqlite3.connect(str(store.sqlite_path))
    other.execute("BEGIN IMMEDIATE")
    error = refusal(store, lambda store: add(store, "evening"))
    other.close()

    assert "is locked by another program" in error.message
    assert "close whatever holds it" in error.hint


def test_errors_of_the_database_show_no_values(store: Store):
    with pytest.raises((StoreUnavailable, DatabaseError)) as caught, store.write() as tx:
        tx.connection.execute(text("SELECT :address FROM nowhere"), {"address": "reader@example.com"})

    assert "nowhere" in f"{caught.value} {caught.value.__cause__}"
    assert "reader@example.com" not in f"{caught.value} {caught.value.__cause__}"


def test_a_postgresql_server_that_is_not_there_says_so():
    error = refusal(Store(f"postgresql+psycopg://digest:secret@127.0.0.1:{free_port()}/digest"))

    assert "does not answer" in error.message
    assert "start PostgreSQL" in error.hint
    assert "secret" not in error.message


@pytest.mark.postgres
def test_a_postgresql_database_that_is_not_there_says_so(postgres_url: str):
    url = make_url(postgres_url).set(database="digest_nowhere").render_as_string(hide_password=False)
    error = refusal(Store(url))

    assert "does not exist" in error.message
    assert "createdb" in error.hint


@pytest.mark.postgres
def test_a_read_block_on_postgresql_cannot_write(postgres_database: str):
    store = Store(postgres_database)
    with pytest.raises((StoreUnavailable, DatabaseError), match="read-only"), store.read() as tx:
        make_publication(tx)

    add(store, "morning")  # the same pooled connection writes again
    assert names(store) == ["morning"]
    store.close()


def test_a_copy_of_the_file_opens_as_well(sqlite_database: str, tmp_path: Path):
    store = Store(sqlite_database)
    add(store, "morning")
    store.close()
    copy = shutil.copy(make_url(sqlite_database).database or "", tmp_path / "copy.db")
    moved = Store(f"sqlite:///{copy}")
    with moved.read() as tx:
        assert tx.connection.execute(select(func.count()).select_from(publication)).scalar_one() == 1
    moved.close()


def test_threads_of_one_process_write_in_turn_and_none_is_left_waiting(sqlite_database: str):
    """SQLite alone lets some wait for seconds while others come again and again."""
    store = Store(sqlite_database)
    waits: list[float] = []

    def write_often() -> None:
        for _ in range(40):
            began = time.perf_counter()
            with store.write() as tx:
                waits.append(time.perf_counter() - began)
                tx.connection.execute(text("UPDATE installation SET id = id"))
                time.sleep(0.001)

    threads = [threading.Thread(target=write_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()

    assert len(waits) == 320
    assert max(waits) < 2


def test_only_an_operators_transaction_that_changed_something_is_signed(sqlite_database: str):
    store = Store(sqlite_database)
    signed: list[str] = []
    store.before_commit = lambda tx: signed.append(tx.operator.command if tx.operator else "nobody")
    with store.write() as tx:
        tx.connection.execute(text("INSERT INTO installation (id) VALUES ('a')"))
    store.operator = Operator("operator:me", "source add")
    with store.write() as tx:
        tx.connection.execute(text("SELECT 1"))
    with store.write() as tx:
        tx.connection.execute(text("UPDATE installation SET id = 'b' WHERE id = 'none'"))
    none = signed[:]
    with store.write() as tx:
        tx.connection.execute(text("UPDATE installation SET id = 'b' WHERE id = 'a'"))
    store.close()

    assert none == []
    assert signed == ["source add"]
