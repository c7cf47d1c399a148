"""What becomes of deliveries that still wait when their issue ends: cancelled, closed by an operator, or out of time.

Rules: who lets a delivery wait holds the issue as it is (`ended`) until that is committed, and who ends an issue
waits for it (`issues.held`), so nothing can begin to wait in an issue that has ended. What may have arrived is never
skipped or failed: a doubt stays a doubt.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, update

from digest.model.delivery import OPEN, DeliveryState, FailReason
from digest.model.issue import CLOSED, IssueState
from digest.store.engine import Tx
from digest.store.tables import NOT_DONE, delivery, issue

_S = DeliveryState
_FREE: dict[str, Any] = {"lease": None, "lease_until": None, "next_attempt_at": None}
#: Reason → what waits becomes this, if it is in one of these states. What is being sent is left to its worker.
_ENDS = {
    FailReason.CANCELLED: (_S.SKIPPED, (_S.PENDING, _S.LEASED, _S.DEFERRED)),
    FailReason.CLOSED: (_S.SKIPPED, (_S.PENDING, _S.LEASED, _S.DEFERRED)),
    FailReason.EXPIRED: (_S.FAILED, (_S.PENDING, _S.DEFERRED)),
}


def ended(tx: Tx, issue_id: int) -> FailReason | None:
    """Why nothing of the issue is tried any more, if it was cancelled or closed; nobody ends it before we commit.

    An issue that an operator closed while mails were on the wire is still sending, and says so in its reason.
    """
    row = tx.connection.execute(
        select(issue.c.state, issue.c.reason).where(issue.c.id == issue_id).with_for_update(read=True)
    ).one()
    state = IssueState(row.state)
    if state is IssueState.CANCELLED:
        return FailReason.CANCELLED
    if not state.is_open or row.reason == FailReason.CLOSED.value:
        return FailReason.CLOSED
    return None


def give_up(tx: Tx, issue_id: int, *, reason: FailReason) -> int:
    """Skip everything that waits, or fail it when its time is up; returns how many.

    Doubts stay on record and are not resent any more.
    """
    to, waiting = _ENDS[reason]
    where = (delivery.c.issue_id == issue_id, NOT_DONE, delivery.c.state.in_([state.value for state in waiting]))
    # To be resent at once: the first time it may have arrived.
    tx.connection.execute(update(delivery).where(*where, delivery.c.doubts > 0).values(state=_S.UNKNOWN.value, **_FREE))
    # To be resent later. The lease stays: a late but definite reply of its worker still settles the doubt.
    tx.connection.execute(
        update(delivery)
        .where(delivery.c.issue_id == issue_id, NOT_DONE, delivery.c.state == _S.UNKNOWN.value, delivery.c.doubts == 0)
        .values(doubts=1, next_attempt_at=None)
    )
    return tx.connection.execute(
        update(delivery).where(*where).values(state=to.value, reason=reason.value, **_FREE)
    ).rowcount


def expire(tx: Tx, issue_id: int, *, now: datetime) -> int:
    """Fail everything that waits, if the issue's time is up; returns how many."""
    expires_at = tx.connection.execute(select(issue.c.expires_at).where(issue.c.id == issue_id)).scalar_one()
    if expires_at is None or expires_at > now:
        return 0
    return give_up(tx, issue_id, reason=FailReason.EXPIRED)


def unsettled(tx: Tx) -> list[int]:
    """Issues that have ended and still have open deliveries: their workers died, or are about to answer."""
    still_open = exists().where(
        delivery.c.issue_id == issue.c.id, NOT_DONE, delivery.c.state.in_([state.value for state in OPEN])
    )
    query = select(issue.c.id).where(issue.c.state.in_([state.value for state in CLOSED]), still_open)
    return list(tx.connection.execute(query.order_by(issue.c.id)).scalars())
