"""What an operator, or the time that is up, decides about deliveries: retry, settle, give up, expire.

Rules: as in `store.deliveries`, every statement asks for the state it moves from. Nothing here touches a row that
may be on the wire under a living lease, and nothing turns a doubt into a failure: what may have arrived stays
`unknown` until somebody who knows says so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select, update

from digest.model.delivery import DeliveryState, FailReason
from digest.model.event import EventKind
from digest.store.engine import Tx
from digest.store.tables import delivery, event, issue

_S = DeliveryState
_FREE: dict[str, Any] = {"lease": None, "lease_until": None, "next_attempt_at": None}


@dataclass(frozen=True, slots=True)
class PutOff:
    """Deliveries that wait for their next try for one reason, and the relay's own words about the latest."""

    count: int
    relay: str
    reply: str


def retry_failed(tx: Tx, issue_id: int, *, dead_too: bool) -> int:
    """Put failed deliveries back to pending, as if never tried; returns how many.

    Without ``dead_too`` those are left alone whose address the relay called dead in this issue. The instant of the
    first attempt stays, so that the message is the very same.
    """
    where = [delivery.c.issue_id == issue_id, delivery.c.state == _S.FAILED.value]
    if not dead_too:
        where.append(~_address_is_dead())
    values = {"state": _S.PENDING.value, "reason": None, "attempt": 0, **_FREE}
    return tx.connection.execute(update(delivery).where(*where).values(**values)).rowcount


def dead_addresses(tx: Tx, issue_id: int) -> int:
    """How many failed deliveries of the issue went to an address that the relay called dead."""
    query = select(func.count()).select_from(delivery)
    where = (delivery.c.issue_id == issue_id, delivery.c.state == _S.FAILED.value, _address_is_dead())
    return int(tx.connection.execute(query.where(*where)).scalar_one())


def _address_is_dead() -> ColumnElement[bool]:
    return exists().where(
        event.c.subscriber_id == delivery.c.subscriber_id,
        event.c.issue_id == delivery.c.issue_id,
        event.c.kind == EventKind.BOUNCED.value,
    )


def settle_as_sent(tx: Tx, issue_id: int, subscriber_ids: Collection[int], *, now: datetime) -> int:
    """Believe an operator that these doubts arrived; returns how many still were in doubt.

    No reply is invented: the row says that a person settled it.
    """
    values = {"state": _S.SENT.value, "sent_at": now, "reason": FailReason.SETTLED.value, **_FREE}
    return _unknown_to(tx, issue_id, subscriber_ids, values | {"reply_text": "settled by an operator"})


def resend_doubts(tx: Tx, issue_id: int, subscriber_ids: Collection[int]) -> int:
    """Send these doubts once more, the very same bytes, because an operator says so; returns how many."""
    return _unknown_to(tx, issue_id, subscriber_ids, {"state": _S.PENDING.value, "doubts": 1, **_FREE})


def _unknown_to(tx: Tx, issue_id: int, subscriber_ids: Collection[int], values: dict[str, Any]) -> int:
    ours = and_(delivery.c.issue_id == issue_id, delivery.c.state == _S.UNKNOWN.value)
    statement = update(delivery).where(ours, delivery.c.subscriber_id.in_(list(subscriber_ids)))
    return tx.connection.execute(statement.values(**values)).rowcount


def settled_count(tx: Tx, issue_id: int) -> int:
    """How many deliveries count as sent by an operator's word."""
    query = select(func.count()).select_from(delivery)
    where = (delivery.c.state == _S.SENT.value, delivery.c.reason == FailReason.SETTLED.value)
    return int(tx.connection.execute(query.where(delivery.c.issue_id == issue_id, *where)).scalar_one())


def sent_count(tx: Tx, issue_id: int) -> int:
    """How many deliveries are sent: a number that never falls, unless the database is an older copy."""
    query = select(func.count()).select_from(delivery)
    where = (delivery.c.issue_id == issue_id, delivery.c.state == _S.SENT.value)
    return int(tx.connection.execute(query.where(*where)).scalar_one())


def give_up(tx: Tx, issue_id: int) -> int:
    """Skip everything that waits, because an operator closes the issue; returns how many.

    Doubts stay on record and are not resent any more. What is being sent is left to its worker.
    """
    states = [_S.PENDING.value, _S.LEASED.value, _S.DEFERRED.value]
    _forgo_resending(tx, issue_id, states)
    return tx.connection.execute(
        update(delivery)
        .where(delivery.c.issue_id == issue_id, delivery.c.state.in_(states))
        .values(state=_S.SKIPPED.value, reason=FailReason.CLOSED.value, **_FREE)
    ).rowcount


def expire(tx: Tx, issue_id: int, *, now: datetime) -> int:
    """Fail everything that waits, if the issue's time is up; returns how many. Doubts are not resent any more."""
    expires_at = tx.connection.execute(select(issue.c.expires_at).where(issue.c.id == issue_id)).scalar_one()
    if expires_at is None or expires_at > now:
        return 0
    states = [_S.PENDING.value, _S.DEFERRED.value]
    _forgo_resending(tx, issue_id, states)
    return tx.connection.execute(
        update(delivery)
        .where(delivery.c.issue_id == issue_id, delivery.c.state.in_(states))
        .values(state=_S.FAILED.value, reason=FailReason.EXPIRED.value, **_FREE)
    ).rowcount


def _forgo_resending(tx: Tx, issue_id: int, waiting: list[str]) -> None:
    """Leave every doubt a doubt: those to be resent later, and those ``waiting`` to be resent now."""
    tx.connection.execute(
        update(delivery)
        .where(delivery.c.issue_id == issue_id, delivery.c.state.in_(waiting), delivery.c.doubts > 0)
        .values(state=_S.UNKNOWN.value, **_FREE)
    )
    # The lease stays: a late but definite reply of its worker still settles the doubt.
    tx.connection.execute(
        update(delivery)
        .where(delivery.c.issue_id == issue_id, delivery.c.state == _S.UNKNOWN.value, delivery.c.doubts == 0)
        .values(doubts=1, next_attempt_at=None)
    )


def on_the_wire(tx: Tx, issue_id: int) -> int:
    """How many deliveries a worker has begun to send and not yet answered for."""
    query = select(func.count()).select_from(delivery)
    where = (delivery.c.issue_id == issue_id, delivery.c.state == _S.SENDING.value)
    return int(tx.connection.execute(query.where(*where)).scalar_one())


def put_off(tx: Tx, issue_id: int) -> PutOff | None:
    """The most common reason why deliveries wait for another try: what the relay said, or that it was lost."""
    words = (delivery.c.relay, delivery.c.reply_code, delivery.c.enhanced_code)
    row = tx.connection.execute(
        select(*words, func.count().label("waiting"), func.max(delivery.c.reply_text).label("text"))
        .where(
            delivery.c.issue_id == issue_id,
            delivery.c.state.in_([_S.PENDING.value, _S.DEFERRED.value]),
            delivery.c.next_attempt_at.is_not(None),
        )
        .group_by(*words)
        .order_by(func.count().desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    reply = " ".join(str(part) for part in (row.reply_code, row.enhanced_code, row.text) if part)
    return PutOff(row.waiting, row.relay or "", reply)
