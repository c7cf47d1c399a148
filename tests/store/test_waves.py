"""Readers who chose an hour get the issue at it, and everybody else at once, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from digest.model.delivery import OnDoubt
from digest.model.issue import Issue, IssueState
from digest.store import deliveries, issues, publications, renditions, standing
from digest.store.engine import Store, Tx
from digest.store.fanout import ReaderClock
from digest.store.tables import delivery, subscriber, subscription
from support.factories import make_publication
from support.sending import EVERYTHING, add_readers, composed_issue

HOUR = timedelta(hours=1)
TOKYO, HERE = ReaderClock("Asia/Tokyo", "18:00"), ReaderClock("Europe/Berlin", "18:00")


@pytest.fixture
def paper(store: Store) -> Store:
    """Twelve readers: 1 to 4 chose 18:00 in Tokyo, 5 to 6 chose 18:00 and no zone, the others nothing."""
    with store.write() as tx:
        add_readers(tx, make_publication(tx), 12)
        mine = subscription.c.subscriber_id
        tx.connection.execute(update(subscription).where(mine <= 6).values(deliver_at="18:00"))
        tx.connection.execute(update(subscriber).where(subscriber.c.id <= 4).values(timezone="Asia/Tokyo"))
        tx.connection.execute(update(subscriber).where(subscriber.c.id == 12).values(timezone="Asia/Tokyo"))
    return store


def fan_out(tx: Tx, *, chunk_size: int = 1000) -> Issue:
    issue = composed_issue(tx, publications.get(tx, "morning"))
    made = {item.key: item.id for item in renditions.of_issue(tx, issue.id)}
    now = tx.now()
    waves = {TOKYO: now + 2 * HOUR, HERE: now + 10 * HOUR}
    deliveries.fan_out(tx, issue, {EVERYTHING: made[EVERYTHING]}, chunk_size=chunk_size, now=now, waves=waves)
    assert issues.move(tx, issue.id, expected=IssueState.COMPOSED, to=IssueState.SENDING, now=now)
    return issue


def test_the_clocks_of_those_who_chose_an_hour_are_known(paper: Store):
    with paper.write() as tx:
        issue = composed_issue(tx, publications.get(tx, "morning"))

        assert deliveries.clocks(tx, issue.publication_id, "daily") == {TOKYO, HERE}
        assert deliveries.by_clock(tx, issue.publication_id, "daily") == {TOKYO: 4, HERE: 2, None: 6}


def test_a_wave_is_claimed_at_its_hour_and_not_before(paper: Store):
    with paper.write() as tx:
        issue = fan_out(tx)
        now = tx.now()
        claimed = {
            hours: [
                one.subscriber_id
                for one in deliveries.claim(
                    tx, issue.id, chunk=0, lease=f"l{hours}", lease_for=HOUR, limit=50, now=now + hours * HOUR
                )
            ]
            for hours in (0, 1, 2, 10)
        }

    assert claimed == {0: [7, 8, 9, 10, 11, 12], 1: [], 2: [1, 2, 3, 4], 10: [5, 6]}


def test_chunks_follow_the_waves(paper: Store):
    with paper.write() as tx:
        issue = fan_out(tx, chunk_size=6)
        now = tx.now()
        query = select(delivery.c.subscriber_id, delivery.c.chunk).where(delivery.c.issue_id == issue.id)
        chunks = {row.subscriber_id: row.chunk for row in tx.connection.execute(query)}

        assert deliveries.ready_chunks(tx, issue.id, now=now) == [0]
        assert deliveries.ready_chunks(tx, issue.id, now=now + 2 * HOUR) == [0, 1]
    assert {reader for reader, chunk in chunks.items() if chunk == 1} == {1, 2, 3, 4, 5, 6}


def test_the_issue_stays_open_and_wakes_up_for_the_next_wave(paper: Store):
    with paper.write() as tx:
        issue = fan_out(tx)
        tx.connection.execute(
            update(delivery).where(delivery.c.due_at <= tx.now()).values(state="sent", sent_at=tx.now(), reply_code=250)
        )
        wave = tx.connection.execute(select(delivery.c.due_at).where(delivery.c.subscriber_id == 1)).scalar_one()

        assert standing.remains(tx, issue.id, on_doubt=OnDoubt.RESEND)
        assert standing.next_wake(tx, issue.id, on_doubt=OnDoubt.RESEND) == wave
        assert standing.later(tx, issue.id) == 6
