"""Who comes first when a relay is warming up: chunks are claimed about in the order of their numbers."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import bindparam, insert, select, update

from digest.model.issue import Issue, IssueState, RenditionKey
from digest.store import deliveries, issues, publications, renditions
from digest.store.engine import Store, Tx
from digest.store.tables import delivery, subscription
from support.factories import make_publication
from support.sending import EVERYTHING, NOW, add_readers, composed_issue

DAY = timedelta(days=1)
READERS = 260
TEXT = RenditionKey((), "en", "text")


@pytest.fixture
def paper(store: Store) -> Store:
    """Readers who signed up one after the other, the last of them a hundred days ago."""
    with store.write() as tx:
        publication = make_publication(tx)
        add_readers(tx, publication, READERS)
        rows = [{"key": n, "at": NOW - (100 + READERS - n) * DAY} for n in range(1, READERS + 1)]
        at = bindparam("at", type_=subscription.c.consent_at.type)
        statement = update(subscription).where(subscription.c.subscriber_id == bindparam("key")).values(consent_at=at)
        tx.connection.execute(statement, rows)
    return store


def fan_out(tx: Tx, *, day: int, active_first: int, keys: tuple[RenditionKey, ...] = (EVERYTHING,)) -> Issue:
    issue = composed_issue(tx, publications.get(tx, "morning"), day=day)
    if TEXT in keys:
        renditions.put(tx, issue.id, [(TEXT, "s", "", "t")], now=NOW)
    made = {item.key: item.id for item in renditions.of_issue(tx, issue.id)}
    at = NOW.replace(day=day)
    wanted = {key: made[key] for key in keys}
    deliveries.fan_out(tx, issue, wanted, chunk_size=100, now=at, active_first=active_first)
    assert issues.move(tx, issue.id, expected=IssueState.COMPOSED, to=IssueState.SENDING, now=at)
    return issue


def in_chunks(tx: Tx, issue: Issue) -> dict[int, set[int]]:
    query = select(delivery.c.chunk, delivery.c.subscriber_id).where(delivery.c.issue_id == issue.id)
    found: dict[int, set[int]] = {}
    for chunk, reader in tx.connection.execute(query):
        found.setdefault(chunk, set()).add(reader)
    return found


def test_without_a_warm_up_chunks_follow_the_keys_of_the_readers(paper: Store):
    with paper.write() as tx:
        chunks = in_chunks(tx, fan_out(tx, day=22, active_first=0))

    assert chunks == {0: set(range(1, 101)), 1: set(range(101, 201)), 2: set(range(201, 261))}


def test_who_agreed_last_comes_first_in_chunks_that_are_small_as_far_as_it_matters(paper: Store):
    with paper.write() as tx:
        chunks = in_chunks(tx, fan_out(tx, day=22, active_first=60))

    assert chunks[0] == set(range(211, 261))
    assert chunks[1] == set(range(161, 211))
    assert chunks[2] == set(range(61, 161))
    assert chunks[3] == set(range(1, 61))


def test_who_had_an_issue_accepted_comes_before_who_only_agreed_long_ago(paper: Store):
    with paper.write() as tx:
        before = fan_out(tx, day=22, active_first=0)
        reached = delivery.c.subscriber_id <= 20
        tx.connection.execute(update(delivery).where(reached).values(state="sent", sent_at=NOW, reply_code=250))
        chunks = in_chunks(tx, fan_out(tx, day=23, active_first=60))

    assert before.id
    assert chunks[0] == set(range(1, 21)) | set(range(231, 261))


def test_the_minute_in_which_the_last_issue_came_makes_no_difference(paper: Store):
    """Else whoever came last today would be first tomorrow."""
    with paper.write() as tx:
        fan_out(tx, day=22, active_first=0)
        for n in range(1, READERS + 1, 13):
            minute = NOW + timedelta(seconds=READERS - n)
            ours = delivery.c.subscriber_id.between(n, n + 12)
            tx.connection.execute(update(delivery).where(ours).values(state="sent", sent_at=minute, reply_code=250))
        chunks = in_chunks(tx, fan_out(tx, day=23, active_first=60))

    assert chunks[0] == set(range(211, 261))


def test_the_order_runs_across_renditions_and_leaves_the_skipped_alone(paper: Store):
    with paper.write() as tx:
        odd = subscription.c.subscriber_id % 2 == 1
        tx.connection.execute(update(subscription).where(odd).values(format="text"))
        issue = fan_out(tx, day=22, active_first=60, keys=(EVERYTHING, TEXT))
        chunks = in_chunks(tx, issue)
        made = Counter(tx.connection.execute(select(delivery.c.rendition_id)).scalars())

    assert chunks[0] == set(range(211, 261))
    assert sorted(made.values()) == [130, 130]


def test_readers_of_another_paper_make_no_difference(paper: Store):
    with paper.write() as tx:
        other = make_publication(tx, slug="evening")
        row = {"subscriber_id": 1, "publication_id": other.id, "token_id": "x", "state": "active"}
        row |= {"cadence": "daily", "format": "html", "created_at": NOW, "consent_at": NOW}
        tx.connection.execute(insert(subscription), [row])
        chunks = in_chunks(tx, fan_out(tx, day=22, active_first=60))

    assert sum(map(len, chunks.values())) == READERS
    assert 1 in chunks[3]
