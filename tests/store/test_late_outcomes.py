"""What a worker that was presumed dead says late, about an issue that is closed by then."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from digest.model.delivery import DeliveryState, OnDoubt, Outcome
from digest.model.issue import IssueState
from digest.store import deliveries, issues, standing
from digest.store.engine import Store
from support.sending import sending_issue

_LEASE_FOR = timedelta(seconds=2)


def _closed_with_a_doubt(store: Store) -> tuple[int, datetime]:
    """An issue with one reader, in doubt under lease "a", that was closed."""
    issue = sending_issue(store, 1)
    with store.write() as tx:
        now = tx.now()
        deliveries.claim(tx, issue.id, chunk=0, lease="a", lease_for=_LEASE_FOR, limit=5, now=now)
        deliveries.mark(tx, issue.id, lease="a", subscriber_ids=[1], now=now)
        deliveries.sweep(tx, issue.id, on_doubt=OnDoubt.HOLD, now=now + timedelta(seconds=3))
        assert issues.move(tx, issue.id, expected=IssueState.SENDING, to=IssueState.SENT, now=now)
    return issue.id, now


@pytest.mark.parametrize("late", [DeliveryState.PENDING, DeliveryState.DEFERRED])
def test_no_late_outcome_opens_a_delivery_of_a_closed_issue(store: Store, late: DeliveryState):
    issue_id, now = _closed_with_a_doubt(store)
    with store.write() as tx:
        written = deliveries.record(tx, issue_id, lease="a", outcomes=[Outcome(subscriber_id=1, state=late, at=now)])
        counts = standing.tally(tx, issue_id).counts

    assert written == 0
    assert counts[DeliveryState.UNKNOWN] == 1


def test_a_late_but_definite_reply_settles_the_doubt(store: Store):
    issue_id, now = _closed_with_a_doubt(store)
    sent = Outcome(subscriber_id=1, state=DeliveryState.SENT, at=now, relay="default", reply_code=250)
    with store.write() as tx:
        deliveries.record(tx, issue_id, lease="a", outcomes=[sent])
        counts = standing.tally(tx, issue_id).counts

    assert counts[DeliveryState.SENT] == 1


def test_a_journal_read_after_the_end_opens_nothing(store: Store):
    issue_id, now = _closed_with_a_doubt(store)
    with store.write() as tx:
        freed, _ = deliveries.restore(tx, issue_id, lease="a", on_wire=set(), now=now)
        counts = standing.tally(tx, issue_id).counts

    assert freed == 0
    assert counts[DeliveryState.UNKNOWN] == 1
