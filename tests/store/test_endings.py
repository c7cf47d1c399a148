"""What becomes of an attempt under way when its issue is cancelled or closed: skipped, or a doubt, never open."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from digest.app import controls, editions
from digest.model.delivery import DeliveryState, FailReason, OnDoubt, Outcome
from digest.model.issue import IssueState
from digest.store import deliveries, endings, issues, standing
from digest.store.engine import Store, Tx
from digest.store.tables import delivery
from support.sending import sending_issue

MINUTE = timedelta(minutes=1)
S = DeliveryState
ENDS: dict[str, Callable[[Store, int], object]] = {"cancelled": editions.cancel, "closed": controls.close}


@pytest.fixture(params=sorted(ENDS))
def end(request: pytest.FixtureRequest) -> str:
    """The two ways in which an operator ends an issue; also the reason on record."""
    return str(request.param)


def begin(tx: Tx, issue_id: int, readers: list[int], *, lease: str = "a") -> None:
    """Claim everything that waits and begin to send these."""
    now = tx.now()
    deliveries.claim(tx, issue_id, chunk=0, lease=lease, lease_for=MINUTE, limit=9, now=now)
    deliveries.mark(tx, issue_id, lease=lease, subscriber_ids=readers, now=now)


def under_way(store: Store, *, readers: int = 1) -> int:
    """An issue whose every delivery is being sent under lease "a"."""
    issue = sending_issue(store, readers)
    with store.write() as tx:
        begin(tx, issue.id, list(range(1, readers + 1)))
    return issue.id


def put_off(tx: Tx, reader: int = 1, state: DeliveryState = S.DEFERRED) -> Outcome:
    return Outcome(reader, state, tx.now(), "default", 451, "4.7.1", "later", retry_at=tx.now() + MINUTE)


def states(store: Store, issue_id: int) -> dict[str, int]:
    with store.read() as tx:
        tally = standing.tally(tx, issue_id)
    return {state.value: count for state, count in tally.counts.items() if count} | tally.failures


@pytest.mark.parametrize("late", [S.PENDING, S.DEFERRED])
def test_an_attempt_that_fails_after_the_end_is_skipped_with_its_reason(store: Store, end: str, late: DeliveryState):
    issue = under_way(store)
    ENDS[end](store, issue)
    with store.write() as tx:
        assert deliveries.record(tx, issue, lease="a", outcomes=[put_off(tx, state=late)]) == 1

    assert states(store, issue) == {"skipped": 1, f"{end} 451 4.7.1": 1}
    assert editions.audit(store, issue).is_balanced


def test_an_attempt_that_succeeds_after_the_end_is_sent(store: Store, end: str):
    issue = under_way(store)
    ENDS[end](store, issue)
    with store.write() as tx:
        outcome = Outcome(1, S.SENT, tx.now(), relay="default", reply_code=250)
        assert deliveries.record(tx, issue, lease="a", outcomes=[outcome]) == 1

    assert states(store, issue) == {"sent": 1}


def test_what_a_dead_workers_journal_frees_after_the_end_is_skipped(store: Store, end: str):
    issue = under_way(store, readers=2)
    ENDS[end](store, issue)
    with store.write() as tx:
        assert deliveries.restore(tx, issue, lease="a", on_wire={2}, now=tx.now()) == (1, 1)

    assert states(store, issue) == {"skipped": 1, "unknown": 1, end: 1}
    assert editions.audit(store, issue).in_doubt == ("reader2@example.com",)


def test_what_nobody_answers_for_after_the_end_is_a_doubt_and_stays_one(store: Store, end: str):
    issue = under_way(store)
    ENDS[end](store, issue)
    with store.write() as tx:
        deliveries.sweep(tx, issue, on_doubt=OnDoubt.RESEND, now=tx.now() + 2 * MINUTE)
        deliveries.sweep(tx, issue, on_doubt=OnDoubt.RESEND, now=tx.now() + 60 * MINUTE)
        late = deliveries.record(tx, issue, lease="a", outcomes=[put_off(tx)])

    assert late == 0
    assert states(store, issue) == {"unknown": 1}


def resending(store: Store) -> int:
    """An issue with one doubt that waits to be sent once more at once."""
    issue = under_way(store)
    with store.write() as tx:
        deliveries.record(tx, issue, lease="a", outcomes=[Outcome(1, S.UNKNOWN, tx.now(), relay="default")])
        deliveries.sweep(tx, issue, on_doubt=OnDoubt.RESEND, now=tx.now() + 60 * MINUTE)
    assert states(store, issue) == {"pending": 1}
    return issue


def test_a_doubt_that_waits_for_its_resend_is_a_doubt_again(store: Store, end: str):
    issue = resending(store)
    ENDS[end](store, issue)

    assert states(store, issue) == {"unknown": 1}, "it may have arrived: it was not skipped"


def test_a_doubt_whose_resend_fails_after_the_end_is_a_doubt_again(store: Store, end: str):
    issue = resending(store)
    with store.write() as tx:
        begin(tx, issue, [1], lease="b")
    ENDS[end](store, issue)
    with store.write() as tx:
        deliveries.record(tx, issue, lease="b", outcomes=[put_off(tx)])

    assert states(store, issue) == {"unknown": 1}


def test_an_open_delivery_of_an_ended_issue_is_found_and_swept(store: Store, end: str):
    issue = under_way(store)
    ENDS[end](store, issue)
    with store.write() as tx:
        # What a version before this one may have left.
        tx.connection.execute(update(delivery).values(state="deferred", lease=None, next_attempt_at=tx.now()))
        if end == "closed":
            issues.move(tx, issue, expected=IssueState.SENDING, to=IssueState.SENT, now=tx.now())
    before = editions.audit(store, issue)
    with store.write() as tx:
        found = endings.unsettled(tx)
        deliveries.sweep(tx, issue, on_doubt=OnDoubt.RESEND, now=tx.now())

    assert found == [issue]
    assert any("with 1 open delivery" in trouble for trouble in before.troubles), before.troubles
    assert states(store, issue) == {"skipped": 1, end: 1}
    with store.read() as tx:
        assert endings.unsettled(tx) == []


def test_an_issue_closed_by_an_operator_says_so_until_it_is_sent_again(store: Store):
    issue = under_way(store)
    closing = controls.close(store, issue).issue
    with store.write() as tx:
        failed = Outcome(1, S.FAILED, tx.now(), reply_code=550, reason=FailReason.REJECTED)
        deliveries.record(tx, issue, lease="a", outcomes=[failed])
        issues.move(tx, issue, expected=IssueState.SENDING, to=IssueState.SENT, now=tx.now())
    _, again = controls.retry_failed(store, issue, dead_too=True, expire_after=60 * MINUTE)
    with store.write() as tx:
        begin(tx, issue, [1], lease="b")
        deliveries.record(tx, issue, lease="b", outcomes=[put_off(tx)])

    assert (closing.state, closing.reason) == (IssueState.SENDING, "closed")
    assert (again.state, again.reason) == (IssueState.SENDING, None)
    assert states(store, issue) == {"deferred": 1}


@pytest.mark.postgres
def test_an_end_waits_for_an_outcome_that_is_being_written(postgres_database: str, end: str):
    store = Store(postgres_database)
    issue = under_way(store)
    ending = threading.Thread(target=ENDS[end], args=(store, issue))
    with store.write() as tx:
        deliveries.record(tx, issue, lease="a", outcomes=[put_off(tx)])
        ending.start()
        while ending.is_alive() and not _somebody_waits(store):
            time.sleep(0.01)
    ending.join()
    found = states(store, issue)
    store.close()

    assert found == {"skipped": 1, f"{end} 451 4.7.1": 1}


def _somebody_waits(store: Store) -> bool:
    with store.read() as tx:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(tx.connection.execute(text(query)).scalar_one())
