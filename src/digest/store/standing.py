"""How the deliveries of an issue stand: counted, proven, listed, and what work remains. Reads only.

`store.deliveries` moves rows; nothing here does, so any of it may be asked at any time.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select

from digest.model.delivery import OPEN, DeliveryState, FailReason, OnDoubt, Tally
from digest.store.deliveries import issue_is_sending
from digest.store.engine import Tx
from digest.store.tables import NOT_DONE, delivery, issue, subscriber

_S = DeliveryState


def remains(tx: Tx, issue_id: int, *, on_doubt: OnDoubt) -> bool:
    """Whether work remains: an open delivery, or one in doubt that will be sent once more."""
    query = select(exists().where(delivery.c.issue_id == issue_id, NOT_DONE, _waits(on_doubt)))
    return bool(tx.connection.execute(query).scalar_one())


def _waits(on_doubt: OnDoubt) -> ColumnElement[bool]:
    is_open = delivery.c.state.in_([state.value for state in OPEN])
    if on_doubt is OnDoubt.HOLD:
        return is_open
    return or_(is_open, and_(delivery.c.state == _S.UNKNOWN.value, delivery.c.doubts == 0))


def next_wake(tx: Tx, issue_id: int, *, on_doubt: OnDoubt) -> datetime | None:
    """The earliest instant at which a waiting delivery can be tried again, or None.

    A doubt that nobody will resend waits for nothing: who waited for it would never come to an end.
    """
    now = tx.now()
    has_its_hour = and_(delivery.c.state == _S.PENDING.value, delivery.c.due_at > now)
    waits = case(
        (has_its_hour, delivery.c.due_at), else_=func.coalesce(delivery.c.next_attempt_at, delivery.c.lease_until)
    )
    earliest: datetime | None = tx.connection.execute(
        select(func.min(waits, type_=delivery.c.next_attempt_at.type)).where(
            delivery.c.issue_id == issue_id,
            NOT_DONE,
            _waits(on_doubt),
            issue_is_sending(),
        )
    ).scalar_one()
    return earliest


def later(tx: Tx, issue_id: int) -> int:
    """How many wait for an hour that their readers chose."""
    query = select(func.count()).where(
        delivery.c.issue_id == issue_id,
        NOT_DONE,
        delivery.c.state == _S.PENDING.value,
        delivery.c.due_at > tx.now(),
    )
    return int(tx.connection.execute(query).scalar_one())


def tally(tx: Tx, issue_id: int) -> Tally:
    """Deliveries by state, and failures and skips by reason with the relay's code where it gave one."""
    counts = dict.fromkeys(DeliveryState, 0)
    rows = tx.connection.execute(
        select(delivery.c.state, func.count()).where(delivery.c.issue_id == issue_id).group_by(delivery.c.state)
    )
    for state, count in rows:
        counts[DeliveryState(state)] = count
    failures: dict[str, int] = {}
    reasons = tx.connection.execute(
        select(delivery.c.reason, delivery.c.reply_code, delivery.c.enhanced_code, func.count())
        .where(delivery.c.issue_id == issue_id, delivery.c.state.in_([_S.FAILED.value, _S.SKIPPED.value]))
        .group_by(delivery.c.reason, delivery.c.reply_code, delivery.c.enhanced_code)
        .order_by(func.count().desc())
    )
    for reason, code, enhanced, count in reasons:
        label = " ".join(str(part) for part in (reason, code, enhanced) if part)
        failures[label] = failures.get(label, 0) + count
    audience = tx.connection.execute(select(issue.c.audience).where(issue.c.id == issue_id)).scalar_one_or_none()
    return Tally(audience=audience or 0, counts=counts, failures=failures)


def unexplained(tx: Tx, issue_id: int) -> int:
    """Deliveries whose row contradicts its state: sent without a 2xx reply and time, failed without a reason.

    What an operator settled as sent has no such reply; it says so in its reason.
    """
    settled = func.coalesce(delivery.c.reason, "") == FailReason.SETTLED.value
    contradiction = or_(
        and_(delivery.c.state == _S.SENT.value, delivery.c.sent_at.is_(None)),
        and_(
            delivery.c.state == _S.SENT.value,
            ~settled,
            or_(delivery.c.reply_code.is_(None), delivery.c.reply_code >= 300),
        ),
        and_(delivery.c.state.in_([_S.FAILED.value, _S.SKIPPED.value]), delivery.c.reason.is_(None)),
    )
    return int(
        tx.connection.execute(
            select(func.count()).select_from(delivery).where(delivery.c.issue_id == issue_id, contradiction)
        ).scalar_one()
    )


def in_doubt(tx: Tx, issue_id: int) -> list[tuple[int, str]]:
    """(subscriber id, address) of the deliveries whose bytes may or may not have been accepted."""
    rows = tx.connection.execute(
        select(delivery.c.subscriber_id, subscriber.c.email)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(delivery.c.issue_id == issue_id, delivery.c.state == _S.UNKNOWN.value)
        .order_by(delivery.c.subscriber_id)
    )
    return [(key, email) for key, email in rows]
