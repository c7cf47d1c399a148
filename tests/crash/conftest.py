"""What every storm needs: a place of its own, and processes that start at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.zygote import Zygote, zygote


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of this test's own. Pytest's are closed to PostgreSQL's account, and cleared away by anybody's runs."""
    folder = Path(tempfile.mkdtemp(prefix="digest-storm-"))
    yield folder
    if "DIGEST_CRASH_KEEP" not in os.environ:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Zygote]:
    """Where `digest` processes come from."""
    with zygote() as started:
        yield started
