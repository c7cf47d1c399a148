"""What the tests of readers' pages share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.store.engine import Store
from support.journey import Town, a_town
from support.sink import Sink, start_sink


@pytest.fixture(scope="session")
def post_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """One mail server for all tests; each looks at what arrived in its own time."""
    with start_sink(tmp_path_factory.mktemp("post")) as sink:
        yield sink


@pytest.fixture
def town(sqlite_database: str, tmp_path: Path, post_office: Sink) -> Iterator[Town]:
    """Readers' pages on SQLite, for what does not depend on the database."""
    with a_town(Store(sqlite_database), tmp_path, post_office) as opened:
        yield opened


@pytest.fixture
def each_town(store: Store, tmp_path: Path, post_office: Sink) -> Iterator[Town]:
    """Readers' pages on each database."""
    with a_town(store, tmp_path, post_office) as opened:
        yield opened


@pytest.fixture(scope="module")
def quiet_town(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, post_office: Sink) -> Iterator[Town]:
    """One for a whole module, whose tests change nothing that another one looks at."""
    folder = tmp_path_factory.mktemp("town")
    database = folder / "digest.db"
    database.write_bytes(sqlite_template.read_bytes())
    limits = {"network_per_hour": 1_000_000}
    with a_town(Store(f"sqlite:///{database}"), folder, post_office, **limits) as opened:
        yield opened
