"""What the tests of readers share."""

import pytest

from digest.store.engine import Store
from support.readers import Desk, open_desk


@pytest.fixture
def desk(store: Store) -> Desk:
    """A publication with a sign-up box, on each database."""
    return open_desk(store)


@pytest.fixture
def counter(sqlite_database: str) -> Desk:
    """The same on SQLite alone, for what does not depend on the database."""
    return open_desk(Store(sqlite_database))
