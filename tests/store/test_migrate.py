"""The migrated schema and the tables in code are one, up and down, on both databases."""

import sqlite3
from pathlib import Path

import pytest

from digest.model.errors import SchemaMismatch, StoreUnavailable
from digest.store import migrate
from digest.store.engine import Store


def test_the_migrated_schema_equals_the_tables_in_code(store: Store):
    assert migrate.current(store) == migrate.HEAD
    assert migrate.drift(store) == []


def test_the_schema_goes_down_to_nothing_and_up_again(store: Store):
    migrate.downgrade(store, "base")

    assert migrate.current(store) is None

    migrate.upgrade(store)

    assert migrate.drift(store) == []


def test_the_version_this_code_asks_for_is_the_newest_migration():
    assert migrate.scripts().get_current_head() == migrate.HEAD


def test_a_missing_database_names_the_remedy(tmp_path: Path):
    with pytest.raises(StoreUnavailable) as caught:
        migrate.require_current(Store(f"sqlite:///{tmp_path}/none.db"))

    assert "digest init" in caught.value.hint


def test_an_empty_database_asks_for_an_upgrade(tmp_path: Path):
    sqlite3.connect(tmp_path / "empty.db").close()

    with pytest.raises(SchemaMismatch) as caught:
        migrate.require_current(Store(f"sqlite:///{tmp_path}/empty.db"))

    assert caught.value.hint == "run `digest db upgrade`"


def test_a_schema_of_a_newer_digest_is_refused(sqlite_database: str):
    with sqlite3.connect(sqlite_database.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(SchemaMismatch, match="newer"):
        migrate.require_current(Store(sqlite_database))
