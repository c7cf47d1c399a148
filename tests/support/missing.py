"""What to do about a part this machine lacks."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"


def missing(what: str, remedy: str) -> NoReturn:
    """Skip a test for a part this machine lacks; in CI that is a failure."""
    if IN_CI:
        pytest.fail(f"{what} is missing in CI: {remedy}", pytrace=False)
    pytest.skip(f"{what} is missing: {remedy}")
