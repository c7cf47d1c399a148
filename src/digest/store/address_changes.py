"""New addresses that wait for their confirmation, and putting one in the place of the old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from digest.config.secrets import new_id
from digest.store import suppressions
from digest.store.engine import Tx
from digest.store.reader_tables import address_change
from digest.store.tables import hindrance, notice, subscriber


@dataclass(frozen=True, slots=True)
class AddressChange:
    """An address that is to take the place of the subscriber's."""

    id: int
    token_id: str
    subscriber_id: int
    publication_id: int
    email: str
    email_norm: str
    created_at: datetime


def ask(tx: Tx, subscriber_id: int, *, publication_id: int, email: str, email_norm: str, now: datetime) -> str:
    """Store a change in the place of any that waits; gives the random id for its link."""
    tx.connection.execute(delete(address_change).where(address_change.c.subscriber_id == subscriber_id))
    token_id = new_id()
    tx.connection.execute(
        insert(address_change).values(
            token_id=token_id,
            subscriber_id=subscriber_id,
            publication_id=publication_id,
            email=email,
            email_norm=email_norm,
            created_at=now,
        )
    )
    return token_id


def by_token(tx: Tx, token_id: str) -> AddressChange | None:
    """The change that a link names."""
    row = tx.connection.execute(select(address_change).where(address_change.c.token_id == token_id)).one_or_none()
    return None if row is None else AddressChange(**row._asdict())


def take(tx: Tx, change: AddressChange) -> bool:
    """Use a change up; False when somebody did."""
    return tx.connection.execute(delete(address_change).where(address_change.c.id == change.id)).rowcount > 0


def move(tx: Tx, subscriber_id: int, *, email: str, email_norm: str) -> None:
    """Give a subscriber another address. What barred the old one stays with the old one."""
    tx.connection.execute(
        update(subscriber).where(subscriber.c.id == subscriber_id).values(email=email, email_norm=email_norm)
    )
    suppressions.leave_homeless(tx, subscriber_id)
    tx.connection.execute(delete(hindrance).where(hindrance.c.subscriber_id == subscriber_id))
    waiting = notice.c.state.in_(["pending", "deferred"])
    tx.connection.execute(delete(notice).where(notice.c.subscriber_id == subscriber_id, waiting))


def forget(tx: Tx, *, before: datetime) -> int:
    """Let go of changes that nobody confirmed."""
    return tx.connection.execute(delete(address_change).where(address_change.c.created_at < before)).rowcount
