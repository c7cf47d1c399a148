from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from digest.config.collecting import CollectSettings
from digest.config.settings import Settings
from digest.model.publication import Cadence, CadenceRule, NewPublication, Publication
from digest.store import publications
from digest.store.engine import Store
from support.collecting import Desk
from support.feedserver import FeedServer, serving

NOW = datetime(2025, 8, 20, 12, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        base_dir=tmp_path, collect=CollectSettings(allow_private_networks=True, timeout_s=5, full_text=False)
    )


@pytest.fixture
def publication(store: Store) -> Publication:
    return _publication(store)


def _publication(store: Store) -> Publication:
    new = NewPublication(
        slug="daily",
        name="Daily",
        sender_name="Daily",
        sender_email="daily@example.com",
        timezone="UTC",
        postal_address="1 Example Street",
        cadence=Cadence(name="daily", rule=CadenceRule.DAILY, send_at=time(7)),
    )
    with store.write() as tx:
        return publications.add(tx, new, now=NOW)


@pytest.fixture
def desk(sqlite_database: str, settings: Settings) -> Iterator[Desk]:
    """A publication on SQLite; what the SQL of collecting does on both databases is tested in tests/store."""
    opened = Store(sqlite_database)
    yield Desk(opened, _publication(opened), settings)
    opened.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FeedServer]:
    folder = tmp_path / "site"
    folder.mkdir()
    async with serving(folder) as running:
        yield running
