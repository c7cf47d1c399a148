"""Erasing a reader. What stays is a keyed hash among the suppressions and in the consent ledger, and sums of issues.

Deliveries are part of an issue's proof, so a row that names nobody stands in for a reader who has some: without
address, name or anything else that was known. All other rows about the reader go.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, literal, select, update

from digest.model.consent import ConsentAct, Origin
from digest.model.mailbox import SuppressReason
from digest.store import consents, suppressions
from digest.store.engine import Tx
from digest.store.reader_tables import address_change, departure, signup
from digest.store.reader_tables import consent as ledger
from digest.store.tables import delivery, event, hindrance, notice, subscriber, subscription, suppression

#: Who moved, or left and came back, may have been known by several addresses; all of them are in the ledger.
_GONE: dict[str, Any] = {"name": "", "locale": None, "timezone": None, "attributes": None}


def erase(tx: Tx, subscriber_id: int, *, email_norm: str, email_hash: str, how: str, now: datetime) -> None:
    """Erase everything about a reader, and see to it that no import brings the address back."""
    for row in tx.connection.execute(select(subscription).where(subscription.c.subscriber_id == subscriber_id)).all():
        consents.record(
            tx,
            ConsentAct.ERASED,
            publication_id=row.publication_id,
            subscriber_id=None,
            email_hash=email_hash,
            choices=(False, False),
            origin=Origin(how=how),
            now=now,
        )
    _forget_traces(tx, subscriber_id, email_norm)
    tx.connection.execute(delete(subscription).where(subscription.c.subscriber_id == subscriber_id))
    has_deliveries = exists().where(delivery.c.subscriber_id == subscriber_id)
    if tx.connection.execute(select(has_deliveries)).scalar_one():
        nobody = literal("erased:") + subscriber.c.public_id
        statement = update(subscriber).where(subscriber.c.id == subscriber_id)
        tx.connection.execute(statement.values(email="", email_norm=nobody, **_GONE))
    else:
        tx.connection.execute(delete(subscriber).where(subscriber.c.id == subscriber_id))
    suppressions.note_removal(tx)
    suppressions.suppress(tx, email_hash, subscriber_id=None, reason=SuppressReason.ERASED, detail="", now=now)


def _forget_traces(tx: Tx, subscriber_id: int, email_norm: str) -> None:
    run = tx.connection.execute
    # What relays say may name the address.
    run(update(delivery).where(delivery.c.subscriber_id == subscriber_id).values(reply_text=None))
    run(update(event).where(event.c.subscriber_id == subscriber_id).values(subscriber_id=None, detail=""))
    run(update(ledger).where(ledger.c.subscriber_id == subscriber_id).values(subscriber_id=None, network="", page=""))
    run(update(suppression).where(suppression.c.subscriber_id == subscriber_id).values(detail=""))
    suppressions.leave_homeless(tx, subscriber_id)
    for table in (hindrance, departure, address_change, signup, notice):
        run(delete(table).where(table.c.subscriber_id == subscriber_id))
    run(delete(notice).where(func.lower(notice.c.email) == email_norm))
    run(delete(signup).where(signup.c.email_norm == email_norm))
    run(delete(address_change).where(address_change.c.email_norm == email_norm))


def tombstones(tx: Tx) -> int:
    """How many rows stand in for readers who were erased."""
    return int(tx.connection.execute(select(func.count()).where(subscriber.c.email == "")).scalar_one())
