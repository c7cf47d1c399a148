"""Addresses that must not be mailed: at fan-out, in the claim, at the mark, and after their reader was gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from digest.config.secrets import Keyring
from digest.model.delivery import DeliveryState
from digest.model.issue import Issue
from digest.model.mailbox import SuppressReason
from digest.store import deliveries, issues, publications, renditions, standing, suppressions
from digest.store.engine import Store, Tx
from digest.store.tables import delivery, subscriber, subscription, suppression
from support.factories import make_publication
from support.sending import EVERYTHING, KEY, NOW, add_readers, composed_issue, sending_issue

LEASE = {"lease": "one", "lease_for": timedelta(minutes=1)}
hash_of = Keyring([KEY]).address_hash


def bar(tx: Tx, reader: int, *, scope: str = suppressions.EVERYWHERE, **more: object) -> bool:
    given = {"subscriber_id": reader, "reason": SuppressReason.BOUNCED, "detail": "550 5.1.1", "now": tx.now()} | more
    return suppressions.suppress(tx, hash_of(f"reader{reader}@example.com"), scope=scope, **given)  # type: ignore[arg-type]  # a test's


def issue_for(tx: Tx, readers: int) -> tuple[Issue, dict]:
    publication = make_publication(tx)
    add_readers(tx, publication, readers)
    issue = composed_issue(tx, publication)
    return issue, {EVERYTHING: {item.key: item.id for item in renditions.of_issue(tx, issue.id)}[EVERYTHING]}


def states(tx: Tx) -> list[tuple[int, str, str | None]]:
    query = select(delivery.c.subscriber_id, delivery.c.state, delivery.c.reason).order_by(delivery.c.subscriber_id)
    return [(row[0], row[1], row[2]) for row in tx.connection.execute(query)]


def test_fan_out_skips_a_suppressed_reader_and_says_why(store: Store):
    with store.write() as tx:
        issue, made = issue_for(tx, 3)
        bar(tx, 2)
        audience = deliveries.fan_out(tx, issue, made, chunk_size=10, now=tx.now())

        assert audience == 3
        assert states(tx) == [(1, "pending", None), (2, "skipped", "suppressed"), (3, "pending", None)]
        assert standing.unexplained(tx, issue.id) == 0


def test_a_reader_suppressed_after_fan_out_is_neither_claimed_nor_marked(store: Store):
    issue = sending_issue(store, 4)
    with store.write() as tx:
        bar(tx, 1)
        claimed = deliveries.claim(tx, issue.id, chunk=0, limit=9, now=tx.now(), **LEASE)
        bar(tx, 2)
        marked = deliveries.mark(tx, issue.id, subscriber_ids=[2, 3, 4], now=tx.now(), lease=LEASE["lease"])
        deliveries.release(tx, issue.id, lease="one")
        skipped = deliveries.skip_departed(tx, issue.id, chunk=0)

        assert [one.subscriber_id for one in claimed] == [2, 3, 4]
        assert [one.subscriber_id for one in marked] == [3, 4]
        assert skipped == 2
        assert states(tx)[:2] == [(1, "skipped", "suppressed"), (2, "skipped", "suppressed")]


def test_who_left_is_skipped_as_unsubscribed_even_if_suppressed_besides(store: Store):
    issue = sending_issue(store, 1)
    with store.write() as tx:
        bar(tx, 1)
        tx.connection.execute(update(subscription).values(state="unsubscribed"))
        deliveries.skip_departed(tx, issue.id, chunk=0)

        assert states(tx) == [(1, "skipped", "unsubscribed")]


@pytest.mark.parametrize(
    ("scope", "until", "is_mailed"),
    [
        (suppressions.scope_of(None), None, False),
        (suppressions.scope_of(1), None, False),
        (suppressions.scope_of(2), None, True),
        (suppressions.scope_of(None), timedelta(seconds=-1), True),
        (suppressions.scope_of(None), timedelta(days=1), False),
    ],
)
def test_only_what_is_in_force_for_the_publication_bars(
    store: Store,
    scope: str,
    until: timedelta | None,
    is_mailed: bool,  # noqa: FBT001 - a table of cases
):
    issue = sending_issue(store, 1)
    with store.write() as tx:
        assert issue.publication_id == 1
        bar(tx, 1, scope=scope, until=until and tx.now() + until)
        claimed = deliveries.claim(tx, issue.id, chunk=0, limit=9, now=tx.now(), **LEASE)

    assert bool(claimed) is is_mailed


def test_suppressing_again_changes_nothing_unless_it_lasts_longer(store: Store):
    with store.write() as tx:
        now = tx.now()
        known = hash_of("reader7@example.com")
        day, week = now + timedelta(days=1), now + timedelta(days=7)
        told = [bar(tx, 7, subscriber_id=None, until=until) for until in (day, day, week, day, None, week, None)]

        assert told == [True, False, True, False, True, False, False]
        assert [item.until for item in suppressions.of_address(tx, known, now=now)] == [None]
        assert suppressions.lift(tx, known, scope="publication:1") == 0
        assert suppressions.lift(tx, known) == 1
        assert suppressions.of_address(tx, known, now=now) == []


def add(tx: Tx, numbers: Sequence[int]) -> None:
    publication = publications.list_all(tx)[0]
    for number in numbers:
        add_readers(tx, publication, 1, first=number)


def test_a_reader_who_comes_with_a_suppressed_address_is_found_before_the_next_fan_out(store: Store):
    with store.write() as tx:
        issue, made = issue_for(tx, 2)
        bar(tx, 5, subscriber_id=None)
        add(tx, [4, 5, 6])

        assert suppressions.adopt(tx, hash_of) == 1
        assert suppressions.adopt(tx, hash_of) == 0
        deliveries.fan_out(tx, issue, made, chunk_size=10, now=tx.now())
        assert [row for row in states(tx) if row[1] != "pending"] == [(5, "skipped", "suppressed")]


def test_only_readers_who_came_since_are_compared_again(store: Store):
    seen: list[str] = []

    def noting(norm: str) -> str:
        seen.append(norm)
        return hash_of(norm)

    with store.write() as tx:
        issue_for(tx, 3)
        bar(tx, 99, subscriber_id=None)
        add(tx, [4, 5])
        suppressions.adopt(tx, noting)
        add(tx, [6])
        suppressions.adopt(tx, noting)
        nobody = list(seen)
        suppressions.adopt(tx, noting)

    assert seen == nobody == ["reader4@example.com", "reader5@example.com", "reader6@example.com"]


def test_a_suppression_outlives_its_reader_only_if_it_is_parted_from_it(store: Store):
    """Erasing must part them by hand: then whoever comes back with the address is found again."""
    with store.write() as tx:
        issue_for(tx, 2)
        bar(tx, 1)
        tx.connection.execute(delete(subscription).where(subscription.c.subscriber_id == 1))
        tx.connection.execute(update(suppression).values(subscriber_id=None, compared_to=0))
        tx.connection.execute(delete(subscriber).where(subscriber.c.id == 1))
        add(tx, [1])

        assert suppressions.adopt(tx, hash_of) == 1


def test_the_hash_names_nobody_and_depends_on_the_key():
    other = Keyring([b"another key of thirty-two bytes.."]).address_hash("ann@example.com")

    assert hash_of("ann@example.com") == hash_of("ann@example.com") != other
    assert len(other) == 64
    assert Keyring([b"a new key, thirty-two bytes long", KEY]).address_hash("a@example.com") == hash_of("a@example.com")


def test_an_issue_of_suppressed_readers_only_comes_to_its_end(store: Store):
    with store.write() as tx:
        issue, made = issue_for(tx, 1)
        bar(tx, 1)
        deliveries.fan_out(tx, issue, made, chunk_size=10, now=NOW)

        assert standing.tally(tx, issue.id).counts[DeliveryState.SKIPPED] == 1
        assert issues.get(tx, issue.id).audience == 1
