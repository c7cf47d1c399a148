"""Requests to sign up, from asked to confirmed; each step is a compare-and-set, so any number of clicks is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, insert, select, update

from digest.config.secrets import new_id
from digest.model.consent import Origin, SignUpState
from digest.model.subscriber import SubscriptionState
from digest.store import suppressions
from digest.store.engine import Tx
from digest.store.reader_tables import signup
from digest.store.tables import delivery, subscriber, subscription

_OVER = (SignUpState.CONFIRMED.value, SignUpState.KNOWN.value, SignUpState.REFUSED.value)


@dataclass(frozen=True, slots=True)
class SignUp:
    """A request. ``email`` is empty once it was answered: from then on the pending subscriber has it."""

    id: int
    token_id: str
    publication_id: int
    subscriber_id: int | None
    email: str
    email_norm: str
    wishes: Mapping[str, Any]
    page: str
    network: str
    wording: str
    state: SignUpState
    created_at: datetime
    reminded_at: datetime | None
    confirmed_at: datetime | None


def ask(
    tx: Tx,
    publication_id: int,
    *,
    email: str,
    email_norm: str,
    wishes: Mapping[str, Any],
    origin: Origin,
    now: datetime,
) -> int:
    """Store a request that nobody has answered yet; gives its key."""
    made: int = tx.connection.execute(
        insert(signup)
        .values(
            token_id=new_id(),
            publication_id=publication_id,
            email=email,
            email_norm=email_norm,
            wishes=dict(wishes),
            page=origin.page,
            network=origin.network,
            wording=origin.wording,
            state=SignUpState.ASKED.value,
            created_at=now,
        )
        .returning(signup.c.id)
    ).scalar_one()
    return made


def seen(tx: Tx, signup_id: int) -> SignUp | None:
    """A request as it stands."""
    row = tx.connection.execute(select(signup).where(signup.c.id == signup_id)).one_or_none()
    return None if row is None else _signup(row)


def held(tx: Tx, signup_id: int) -> SignUp | None:
    """A request, ours until the end of the transaction."""
    return _one(tx, signup.c.id == signup_id)


def seen_by_token(tx: Tx, token_id: str) -> SignUp | None:
    """The request that a link names, as it stands."""
    row = tx.connection.execute(select(signup).where(signup.c.token_id == token_id)).one_or_none()
    return None if row is None else _signup(row)


def by_token(tx: Tx, token_id: str) -> SignUp | None:
    """The request that a link names, ours until the end of the transaction."""
    return _one(tx, signup.c.token_id == token_id)


def answer(tx: Tx, signup_id: int, *, state: SignUpState, subscriber_id: int | None) -> bool:
    """Say what became of a request that was asked; False when somebody has answered it."""
    values = {"state": state.value, "subscriber_id": subscriber_id, "email": "", "email_norm": ""}
    return _move(tx, signup_id, SignUpState.ASKED, values)


def confirm(tx: Tx, signup_id: int, *, now: datetime) -> bool:
    """Confirm a request that was mailed; False when it was confirmed already or is over."""
    return _move(tx, signup_id, SignUpState.MAILED, {"state": SignUpState.CONFIRMED.value, "confirmed_at": now})


def note_reminded(tx: Tx, signup_id: int, *, now: datetime) -> bool:
    """Say that the one reminder is in line."""
    never = signup.c.reminded_at.is_(None)
    return _move(tx, signup_id, SignUpState.MAILED, {"reminded_at": now}, never)


def unanswered(tx: Tx, *, before: datetime, limit: int) -> list[int]:
    """Requests whose answer was lost, as when a process died."""
    return _keys(tx, SignUpState.ASKED, before, limit)


def to_remind(tx: Tx, *, before: datetime, limit: int) -> list[int]:
    """Requests that were mailed before that instant and wait, unreminded."""
    return _keys(tx, SignUpState.MAILED, before, limit, signup.c.reminded_at.is_(None))


def forget(tx: Tx, *, before: datetime) -> int:
    """Erase what nobody confirmed: requests older than that, and people who came by them only; gives how many people.

    What is over goes as well: the consent ledger has what must be kept.
    """
    lapsed = and_(signup.c.state == SignUpState.MAILED.value, signup.c.created_at < before)
    query = select(signup.c.subscriber_id, signup.c.publication_id).where(lapsed, signup.c.subscriber_id.is_not(None))
    people = {(key, publication_id) for key, publication_id in tx.connection.execute(query)}
    tx.connection.execute(delete(signup).where(lapsed))
    stale = signup.c.state.in_([*_OVER, SignUpState.ASKED.value])
    tx.connection.execute(delete(signup).where(stale, signup.c.created_at < before))
    gone = sum(_forget_pending(tx, key, publication_id=publication_id) for key, publication_id in people)
    if gone:
        suppressions.note_removal(tx)
    return gone


def _forget_pending(tx: Tx, subscriber_id: int, *, publication_id: int) -> bool:
    own = subscription.c.subscriber_id == subscriber_id
    mine = (own, subscription.c.publication_id == publication_id)
    still_asked = exists().where(
        signup.c.subscriber_id == subscriber_id,
        signup.c.publication_id == publication_id,
        signup.c.state == SignUpState.MAILED.value,
    )
    tx.connection.execute(
        delete(subscription).where(*mine, subscription.c.state == SubscriptionState.PENDING.value, ~still_asked)
    )
    came_by_it_only = and_(
        subscriber.c.id == subscriber_id,
        ~exists().where(own),
        ~exists().where(delivery.c.subscriber_id == subscriber_id),
    )
    if not tx.connection.execute(select(exists().where(came_by_it_only))).scalar_one():
        return False
    suppressions.leave_homeless(tx, subscriber_id)
    return tx.connection.execute(delete(subscriber).where(came_by_it_only)).rowcount > 0


def of_subscriber(tx: Tx, subscriber_id: int) -> list[SignUp]:
    """The requests of a reader, oldest first."""
    query = select(signup).where(signup.c.subscriber_id == subscriber_id).order_by(signup.c.id)
    return [_signup(row) for row in tx.connection.execute(query)]


def _keys(tx: Tx, state: SignUpState, before: datetime, limit: int, *more: ColumnElement[bool]) -> list[int]:
    query = (
        select(signup.c.id)
        .where(signup.c.state == state.value, signup.c.created_at < before, *more)
        .order_by(signup.c.created_at)
        .limit(limit)
    )
    return list(tx.connection.execute(query).scalars())


def _move(tx: Tx, signup_id: int, expected: SignUpState, values: Mapping[str, Any], *more: ColumnElement[bool]) -> bool:
    statement = update(signup).where(signup.c.id == signup_id, signup.c.state == expected.value, *more)
    return tx.connection.execute(statement.values(**values)).rowcount > 0


def _one(tx: Tx, condition: ColumnElement[bool]) -> SignUp | None:
    row = tx.connection.execute(select(signup).where(condition).with_for_update()).one_or_none()
    return None if row is None else _signup(row)


def _signup(row: Any) -> SignUp:
    return SignUp(**{**row._asdict(), "state": SignUpState(row.state)})
