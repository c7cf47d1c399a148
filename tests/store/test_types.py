"""Instants are exact and the same on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import StatementError

from digest.store import publications
from digest.store.engine import Store
from digest.store.tables import publication
from support.factories import NOW, make_publication

INSTANTS = [
    datetime(2026, 11, 22, 6, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 11, 22, 6, 0, 0, 999_999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1900, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 10, 25, 2, 30, 0, 5, tzinfo=timezone(timedelta(hours=2))),
]


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_an_instant_comes_back_to_the_microsecond_in_utc(store: Store, instant: datetime):
    with store.write() as tx:
        made = make_publication(tx)
        publications.change(tx, made.id, {"created_at": instant})
        back = publications.get(tx, made.slug).created_at

    assert back == instant
    assert back.tzinfo is UTC


def test_instants_are_ordered_and_compared_by_the_database(store: Store):
    with store.write() as tx:
        for number, instant in enumerate(INSTANTS):
            publications.change(tx, make_publication(tx, f"p{number}").id, {"created_at": instant})
        ordered = list(
            tx.connection.execute(select(publication.c.created_at).order_by(publication.c.created_at)).scalars()
        )
        late = tx.connection.execute(
            select(publication.c.slug).where(publication.c.created_at > INSTANTS[0]).order_by(publication.c.slug)
        )

        assert ordered == sorted(INSTANTS)
        assert list(late.scalars()) == ["p1", "p5"]


def test_a_naive_datetime_is_a_programming_fault(store: Store):
    with store.write() as tx, pytest.raises(StatementError, match="naive datetime"):
        tx.connection.execute(update(publication).values(created_at=NOW.replace(tzinfo=None)))
