"""What an operator decides about deliveries: try again, or believe one or the other about a doubt.

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
from digest.store import suppressions
from digest.store.engine import Tx
from digest.store.tables import delivery, event

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

    Without ``dead_too`` those are left alone whose address the relay called dead in this issue; with it their
    addresses are no longer suppressed for that. The instant of the first attempt stays, so that the message is the
    very same.
    """
    where = [delivery.c.issue_id == issue_id, delivery.c.state == _S.FAILED.value]
    if dead_too:
        dead = select(delivery.c.subscriber_id).where(*where, _address_is_dead())
        suppressions.lift_bounced(tx, dead)
    else:
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
    enhanced = "" if (row.text or "").startswith(row.enhanced_code or "") else row.enhanced_code
    reply = " ".join(str(part) for part in (row.reply_code, enhanced, row.text) if part)
    return PutOff(row.waiting, row.relay or "", reply)
