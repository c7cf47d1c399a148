from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest.model.mailbox import Hindrance, Strikes

FIRST = datetime(2026, 11, 1, 7, tzinfo=UTC)
H = Hindrance


@pytest.mark.parametrize(
    ("kind", "count", "lasting", "dead"),
    [
        (H.UNREACHABLE, 1, timedelta(0), False),
        (H.UNREACHABLE, 5, timedelta(hours=71), False),
        (H.UNREACHABLE, 2, timedelta(hours=72), True),
        (H.MAILBOX_FULL, 30, timedelta(days=13), False),
        (H.MAILBOX_FULL, 3, timedelta(days=90), False),
        (H.MAILBOX_FULL, 4, timedelta(days=14), True),
        (H.NEEDS_SMTPUTF8, 999, timedelta(days=999), False),
    ],
)
def test_what_keeps_coming_back_long_enough_ends_mail(kind: Hindrance, count: int, lasting: timedelta, dead: bool):  # noqa: FBT001 - a table of cases
    assert Strikes(kind, count, FIRST, FIRST + lasting).make_dead is dead
