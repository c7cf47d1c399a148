"""Claim, mark, record, sweep: the constraints that make double sending impossible, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from digest.model.delivery import DeliveryState, FailReason, OnDoubt, Outcome
from digest.model.issue import IssueState, RenditionKey
from digest.store import deliveries, issues, renditions, standing, subscriptions
from digest.store.engine import Store, Tx
from digest.store.tables import delivery, subscription_topic
from support.factories import make_publication, make_topic
from support.sending import EVERYTHING, NOW, add_readers, composed_issue, sending_issue

MINUTE = timedelta(minutes=1)
S = DeliveryState


def claim(tx: Tx, issue_id: int, *, lease: str = "one", limit: int = 500, later: timedelta = timedelta()):
    return deliveries.claim(tx, issue_id, chunk=0, lease=lease, lease_for=MINUTE, limit=limit, now=tx.now() + later)


def mark(tx: Tx, issue_id: int, ids: list[int], *, lease: str = "one"):
    return deliveries.mark(tx, issue_id, lease=lease, subscriber_ids=ids, now=tx.now())


def outcome(tx: Tx, subscriber_id: int, state: DeliveryState = S.SENT, **more: Any) -> Outcome:
    return Outcome(subscriber_id, state, tx.now(), relay="default", reply_code=250, **more)


def counts(store: Store, issue_id: int) -> dict[str, int]:
    with store.read() as tx:
        return {state.value: count for state, count in standing.tally(tx, issue_id).counts.items() if count}


def test_fan_out_makes_one_delivery_for_every_active_reader_and_freezes_the_audience(store: Store):
    issue = sending_issue(store, 5)

    assert counts(store, issue.id) == {"pending": 5}
    assert issue.audience == 5


def test_fan_out_may_be_repeated_and_changes_nothing(store: Store):
    issue = sending_issue(store, 5)
    with store.write() as tx:
        made = {item.key: item.id for item in renditions.of_issue(tx, issue.id)}

        assert deliveries.fan_out(tx, issue, made, chunk_size=1000, now=tx.now()) == 5

    assert counts(store, issue.id) == {"pending": 5}


def test_fan_out_numbers_chunks_of_at_most_the_size(store: Store):
    issue = sending_issue(store, 5, chunk_size=2)
    with store.read() as tx:
        assert deliveries.ready_chunks(tx, issue.id, now=tx.now()) == [0, 1, 2]


def test_readers_get_the_rendition_of_exactly_their_topics(store: Store):
    with store.write() as tx:
        publication = make_publication(tx)
        add_readers(tx, publication, 4)
        tech, world = (make_topic(tx, publication, slug) for slug in ("tech", "world"))
        chosen = {1: [tech], 2: [tech, world], 3: [world]}
        rows = [
            {"subscriber_id": who, "publication_id": publication.id, "topic_id": topic.id}
            for who, topics in chosen.items()
            for topic in topics
        ]
        tx.connection.execute(insert(subscription_topic), rows)
        issue = composed_issue(tx, publication)
        wanted = renditions.wanted_keys(tx, publication.id, "daily")
        keys = [RenditionKey(("tech",), "en", "html"), RenditionKey(("tech", "world"), "en", "html")]
        renditions.put(tx, issue.id, [(key, "s", "h", "t") for key in keys], now=NOW)
        made = {item.key: item.id for item in renditions.of_issue(tx, issue.id)}
        deliveries.fan_out(tx, issue, {key: made.get(key) for key in wanted}, chunk_size=1000, now=tx.now())
        rows = tx.connection.execute(select(delivery.c.subscriber_id, delivery.c.rendition_id))
        got = {subscriber_id: rendition_id for subscriber_id, rendition_id in rows}  # noqa: C416 - rows, not pairs

    assert got == {1: made[keys[0]], 2: made[keys[1]], 3: None, 4: made[EVERYTHING]}
    with store.read() as tx:
        assert standing.tally(tx, issue.id).failures == {"no-matching-news": 1}


def test_a_delivery_is_claimed_by_one_lease_only(store: Store):
    issue = sending_issue(store, 3)
    with store.write() as tx:
        assert [one.email for one in claim(tx, issue.id, limit=2)] == ["reader1@example.com", "reader2@example.com"]
    with store.write() as tx:
        assert [one.subscriber_id for one in claim(tx, issue.id, lease="two")] == [3]
    with store.write() as tx:
        assert claim(tx, issue.id, lease="three") == []


def test_many_workers_claim_every_delivery_exactly_once(store: Store):
    issue = sending_issue(store, 400)

    def work(name: int) -> list[int]:
        mine: list[int] = []
        while True:
            with store.write() as tx:
                got = claim(tx, issue.id, lease=f"w{name}-{len(mine)}", limit=7)
            if not got:
                return mine
            mine += [one.subscriber_id for one in got]

    with ThreadPoolExecutor(4) as pool:
        claimed = [key for keys in pool.map(work, range(4)) for key in keys]

    # A worker may find everything locked by others for a moment and stop early, but nobody is claimed twice.
    assert len(claimed) == len(set(claimed))
    with store.write() as tx:
        claimed += [one.subscriber_id for one in claim(tx, issue.id, lease="last")]
    assert sorted(claimed) == list(range(1, 401))


@pytest.mark.parametrize("state", [IssueState.PAUSED, IssueState.CANCELLED])
def test_nothing_is_claimed_or_marked_unless_the_issue_is_sending(store: Store, state: IssueState):
    issue = sending_issue(store, 3)
    with store.write() as tx:
        claim(tx, issue.id, limit=2)
        issues.move(tx, issue.id, expected=IssueState.SENDING, to=state, now=tx.now())
    with store.write() as tx:
        assert claim(tx, issue.id, lease="two") == []
        assert mark(tx, issue.id, [1, 2]) == []


def test_a_reader_who_left_is_neither_claimed_nor_marked_and_is_skipped_with_the_reason(store: Store):
    issue = sending_issue(store, 3)
    with store.write() as tx:
        claim(tx, issue.id, limit=1)
        for token in ("t1", "t3"):
            assert subscriptions.unsubscribe(tx, token_id=token, now=NOW, how="page")
    with store.write() as tx:
        assert mark(tx, issue.id, [1]) == []
        deliveries.release(tx, issue.id, lease="one")
        assert deliveries.skip_departed(tx, issue.id, chunk=0) == 2
        assert [one.subscriber_id for one in claim(tx, issue.id, lease="two")] == [2]
    with store.read() as tx:
        assert standing.tally(tx, issue.id).failures == {"unsubscribed": 2}


def test_marking_keeps_the_instant_of_the_first_attempt(store: Store):
    issue = sending_issue(store, 1)
    with store.write() as tx:
        claim(tx, issue.id)
        first = mark(tx, issue.id, [1])[0]
        deliveries.record(tx, issue.id, lease="one", outcomes=[outcome(tx, 1, S.DEFERRED, retry_at=tx.now())])
    with store.write() as tx:
        deliveries.sweep(tx, issue.id, on_doubt=OnDoubt.HOLD, now=tx.now() + MINUTE)
        claim(tx, issue.id, lease="two", later=MINUTE)
        again = mark(tx, issue.id, [1], lease="two")[0]

    assert (first.attempt, again.attempt) == (1, 2)
    assert again.first_attempt_at == first.first_attempt_at


def test_an_outcome_under_a_lost_lease_is_fenced_off(store: Store):
    issue = sending_issue(store, 1)
    with store.write() as tx:
        claim(tx, issue.id)
        mark(tx, issue.id, [1])
    with store.write() as tx:
        assert deliveries.record(tx, issue.id, lease="another", outcomes=[outcome(tx, 1)]) == 0
        assert deliveries.record(tx, issue.id, lease="one", outcomes=[outcome(tx, 1)]) == 1
        assert deliveries.record(tx, issue.id, lease="one", outcomes=[outcome(tx, 1, S.FAILED)]) == 0

    assert counts(store, issue.id) == {"sent": 1}


def test_a_leased_row_whose_lease_lapsed_is_free_again_and_a_sending_one_is_in_doubt(store: Store):
    issue = sending_issue(store, 2)
    with store.write() as tx:
        claim(tx, issue.id)
        mark(tx, issue.id, [1])
        deliveries.sweep(tx, issue.id, on_doubt=OnDoubt.HOLD, now=tx.now() + 2 * MINUTE)

    assert counts(store, issue.id) == {"pending": 1, "unknown": 1}
    with store.read() as tx:
        assert standing.in_doubt(tx, issue.id) == [(1, "reader1@example.com")]


def test_a_late_but_definite_reply_settles_a_doubt(store: Store):
    issue = sending_issue(store, 1)
    with store.write() as tx:
        claim(tx, issue.id)
        mark(tx, issue.id, [1])
        deliveries.sweep(tx, issue.id, on_doubt=OnDoubt.HOLD, now=tx.now() + 2 * MINUTE)
    with store.write() as tx:
        assert deliveries.record(tx, issue.id, lease="one", outcomes=[outcome(tx, 1)]) == 1

    assert counts(store, issue.id) == {"sent": 1}


def test_a_doubt_is_resent_once_after_fifteen_minutes_under_resend_and_never_under_hold(store: Store):
    issue = sending_issue(store, 1)

    def doubt(lease: str, later: timedelta) -> None:
        with store.write() as tx:
            assert claim(tx, issue.id, lease=lease, later=later)
            mark(tx, issue.id, [1], lease=lease)
            deliveries.record(tx, issue.id, lease=lease, outcomes=[outcome(tx, 1, S.UNKNOWN)])

    def swept(policy: OnDoubt, later: timedelta) -> int:
        with store.write() as tx:
            return deliveries.sweep(tx, issue.id, on_doubt=policy, now=tx.now() + later).get("resent", 0)

    doubt("one", timedelta())

    assert swept(OnDoubt.HOLD, 20 * MINUTE) == 0
    assert swept(OnDoubt.RESEND, 14 * MINUTE) == 0
    assert swept(OnDoubt.RESEND, 16 * MINUTE) == 1

    doubt("two", 17 * MINUTE)

    assert swept(OnDoubt.RESEND, 60 * MINUTE) == 0


def test_an_attempt_that_was_not_the_messages_fault_is_not_counted(store: Store):
    issue = sending_issue(store, 1)
    with store.write() as tx:
        claim(tx, issue.id)
        mark(tx, issue.id, [1])
        deliveries.record(tx, issue.id, lease="one", outcomes=[outcome(tx, 1, S.PENDING)])
        assert claim(tx, issue.id, lease="two")
        assert mark(tx, issue.id, [1], lease="two")[0].attempt == 1


def test_the_tally_names_failures_with_the_relays_codes(store: Store):
    issue = sending_issue(store, 3)
    with store.write() as tx:
        claim(tx, issue.id)
        mark(tx, issue.id, [1, 2, 3])
        failed = [
            Outcome(key, S.FAILED, tx.now(), reply_code=550, enhanced_code="5.1.1", reason=FailReason.REJECTED)
            for key in (1, 2)
        ]
        deliveries.record(tx, issue.id, lease="one", outcomes=[*failed, outcome(tx, 3)])
        tally = standing.tally(tx, issue.id)

    assert tally.failures == {"rejected 550 5.1.1": 2}
    assert tally.open_count == 0


def test_a_row_that_contradicts_its_state_is_found(store: Store):
    issue = sending_issue(store, 2)
    with store.write() as tx:
        assert standing.unexplained(tx, issue.id) == 0
        tx.connection.execute(update(delivery).where(delivery.c.subscriber_id == 1).values(state="sent"))
        assert standing.unexplained(tx, issue.id) == 1


def test_work_remains_while_a_doubt_will_be_resent(store: Store):
    issue = sending_issue(store, 1)
    with store.write() as tx:
        claim(tx, issue.id)
        mark(tx, issue.id, [1])
        deliveries.record(tx, issue.id, lease="one", outcomes=[outcome(tx, 1, S.UNKNOWN)])

        assert standing.remains(tx, issue.id, on_doubt=OnDoubt.RESEND)
        assert not standing.remains(tx, issue.id, on_doubt=OnDoubt.HOLD)
