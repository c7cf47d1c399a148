"""A PostgreSQL store with the engine's own tables beside ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from digest.app import engines
from digest.store.engine import Store


@pytest.fixture
def shared_store(postgres_database: str) -> Iterator[Store]:
    opened = Store(postgres_database)
    engines.upgrade(opened)
    yield opened
    opened.close()
