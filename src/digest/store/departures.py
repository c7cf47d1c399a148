"""Leaving and taking less, with the way back: each departure keeps the terms as they were, and is undone once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, insert, select, update

from digest.config.secrets import new_id
from digest.model.subscriber import Subscription
from digest.store.engine import Tx
from digest.store.reader_tables import departure
from digest.store.tables import subscription
from digest.store.types import from_text, to_text

_INSTANTS = ("paused_until", "unsubscribed_at")


@dataclass(frozen=True, slots=True)
class Departure:
    """What a reader chose when they left, fully or in part."""

    id: int
    token_id: str
    subscriber_id: int
    publication_id: int
    choice: str
    how: str
    at: datetime
    before: Mapping[str, Any]
    reason: str
    undone_at: datetime | None


def note(tx: Tx, before: Subscription, *, choice: str, how: str, reason: str, now: datetime) -> str:
    """Store a departure from the terms ``before``; gives the random id for the link that undoes it."""
    token_id = new_id()
    terms = {
        "state": before.state.value,
        "cadence": before.cadence,
        "digest": before.digest,
        "alerts": before.alerts,
        "paused_until": to_text(before.paused_until),
        "unsubscribed_at": to_text(before.unsubscribed_at),
    }
    tx.connection.execute(
        insert(departure).values(
            token_id=token_id,
            subscriber_id=before.subscriber.id,
            publication_id=before.publication_id,
            choice=choice,
            how=how,
            at=now,
            before=terms,
            reason=reason,
        )
    )
    return token_id


def by_token(tx: Tx, token_id: str) -> Departure | None:
    """The departure that a link names."""
    row = tx.connection.execute(select(departure).where(departure.c.token_id == token_id)).one_or_none()
    return None if row is None else Departure(**row._asdict())


def say_why(tx: Tx, token_id: str, *, reason: str) -> bool:
    """Add the reason to a departure that has none."""
    silent = (departure.c.token_id == token_id, departure.c.reason == "")
    return tx.connection.execute(update(departure).where(*silent).values(reason=reason)).rowcount > 0


def undo(tx: Tx, found: Departure, *, now: datetime) -> bool:
    """Give the reader the terms of before; False when that was done, or when they chose again since."""
    later = departure.alias("later")
    is_last = ~exists().where(
        later.c.subscriber_id == departure.c.subscriber_id,
        later.c.publication_id == departure.c.publication_id,
        later.c.id > departure.c.id,
        later.c.undone_at.is_(None),
    )
    statement = update(departure).where(departure.c.id == found.id, departure.c.undone_at.is_(None), is_last)
    if not tx.connection.execute(statement.values(undone_at=now)).rowcount:
        return False
    terms = {name: from_text(value) if name in _INSTANTS else value for name, value in found.before.items()}
    tx.connection.execute(
        update(subscription)
        .where(
            subscription.c.subscriber_id == found.subscriber_id,
            subscription.c.publication_id == found.publication_id,
        )
        .values(**terms)
    )
    return True


def of_subscriber(tx: Tx, subscriber_id: int) -> list[Departure]:
    """A reader's departures, oldest first."""
    query = select(departure).where(departure.c.subscriber_id == subscriber_id).order_by(departure.c.id)
    return [Departure(**row._asdict()) for row in tx.connection.execute(query)]


def forget(tx: Tx, *, before: datetime) -> int:
    """Let go of old departures, reasons and all."""
    return tx.connection.execute(delete(departure).where(departure.c.at < before)).rowcount
