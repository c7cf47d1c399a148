"""Subscribers: people's addresses, one row per normal form, and what was mailed to each.

A person is one row however many publications they read. What is left out (None) in an upsert stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, select, update

from digest.config.secrets import new_id
from digest.model.delivery import DeliveryState
from digest.model.subscriber import Subscriber, SubscriptionState
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import delivery, issue, publication, subscriber, subscription


@dataclass(frozen=True, slots=True)
class Person:
    """What we are told about a person; None leaves what is stored."""

    email: str
    email_norm: str
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    attributes: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Upserted:
    """What an upsert did: made the row, changed it, or neither."""

    id: int
    created: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class PastDelivery:
    """A delivery as its reader's history shows it. ``number`` is None until the issue is composed."""

    issue_id: int
    publication_slug: str
    number: int | None
    period_start: date
    state: DeliveryState
    attempt: int
    due_at: datetime
    sent_at: datetime | None
    reason: str | None
    reply_code: int | None
    enhanced_code: str | None
    reply_text: str | None


def upsert(
    tx: Tx,
    *,
    email: str,
    email_norm: str,
    name: str | None = None,
    locale: str | None = None,
    timezone: str | None = None,
    now: datetime,
) -> tuple[Subscriber, bool]:
    """The subscriber with that normal form and whether this call made it; given values replace stored ones."""
    person = Person(email, email_norm, name=name, locale=locale, timezone=timezone)
    done = upsert_many(tx, [person], now=now)[email_norm]
    found = by_id(tx, done.id)
    if found is None:
        raise AssertionError("a subscriber that was just stored is not there")
    return found, done.created


def upsert_many(tx: Tx, people: Sequence[Person], *, now: datetime) -> dict[str, Upserted]:
    """Store up to a chunk of people, each normal form once; gives what was done by normal form.

    The address is kept as it was first written. Rows are touched in the order of the normal form, so that two
    imports at once wait for each other instead of deadlocking.
    """
    ordered = sorted(people, key=lambda person: person.email_norm)
    minted = _insert_missing(tx, ordered, now=now)
    query = select(subscriber).where(subscriber.c.email_norm.in_([person.email_norm for person in ordered]))
    stored = {row.email_norm: row for row in tx.connection.execute(query)}
    done: dict[str, Upserted] = {}
    changes: list[dict[str, Any]] = []
    for person in ordered:
        row = stored[person.email_norm]
        # The id we minted is there only if our insert won against another import's.
        created = minted.get(person.email_norm) == row.public_id
        wanted = {
            "new_name": row.name if person.name is None else person.name,
            "new_locale": person.locale or row.locale,
            "new_timezone": person.timezone or row.timezone,
            "new_attributes": {**(row.attributes or {}), **person.attributes} if person.attributes else row.attributes,
        }
        stored_now = (row.name, row.locale, row.timezone, row.attributes)
        changed = not created and stored_now != tuple(wanted.values())
        if changed:
            changes.append({"key": row.id, **wanted})
        done[person.email_norm] = Upserted(row.id, created, changed)
    _update(tx, changes)
    return done


def _insert_missing(tx: Tx, ordered: Sequence[Person], *, now: datetime) -> dict[str, str]:
    """Insert those whose normal form is new; gives the public ids minted for them."""
    query = select(subscriber.c.email_norm).where(subscriber.c.email_norm.in_([item.email_norm for item in ordered]))
    known = set(tx.connection.execute(query).scalars())
    rows = [
        {
            "public_id": new_id(),
            "email": person.email,
            "email_norm": person.email_norm,
            "name": person.name or "",
            "locale": person.locale,
            "timezone": person.timezone,
            "created_at": now,
            "attributes": person.attributes,
        }
        for person in ordered
        if person.email_norm not in known
    ]
    if rows:
        statement = insert_or_ignore(tx, subscriber).on_conflict_do_nothing(index_elements=["email_norm"])
        tx.connection.execute(statement, rows)
    return {str(row["email_norm"]): str(row["public_id"]) for row in rows}


def _update(tx: Tx, changes: Sequence[dict[str, Any]]) -> None:
    if changes:
        statement = (
            update(subscriber)
            .where(subscriber.c.id == bindparam("key"))
            .values({name: bindparam(f"new_{name}") for name in ("name", "locale", "timezone", "attributes")})
        )
        tx.connection.execute(statement, changes)


def by_norm(tx: Tx, email_norm: str) -> Subscriber | None:
    """The subscriber with that normal form of the address."""
    return _one(tx, subscriber.c.email_norm == email_norm)


def by_id(tx: Tx, subscriber_id: int) -> Subscriber | None:
    """A subscriber by key."""
    return _one(tx, subscriber.c.id == subscriber_id)


def by_public_id(tx: Tx, public_id: str) -> Subscriber | None:
    """A subscriber by the id that scripts see."""
    return _one(tx, subscriber.c.public_id == public_id)


def list_subscribers(
    tx: Tx,
    publication_id: int | None = None,
    *,
    state: SubscriptionState | None = None,
    limit: int,
    after: int = 0,
) -> list[Subscriber]:
    """Subscribers in the order they came, from the one after key ``after``; filtered by their subscriptions."""
    query = _filtered(select(subscriber), publication_id, state)
    query = query.where(subscriber.c.id > after).order_by(subscriber.c.id).limit(limit)
    return [_subscriber(row) for row in tx.connection.execute(query)]


def count(tx: Tx, publication_id: int | None = None, *, state: SubscriptionState | None = None) -> int:
    """How many `list_subscribers` would list in all."""
    query = _filtered(select(func.count()).select_from(subscriber), publication_id, state)
    found: int = tx.connection.execute(query).scalar_one()
    return found


def deliveries(tx: Tx, subscriber_id: int, *, limit: int) -> list[PastDelivery]:
    """What was or is to be mailed to a subscriber, newest issue first."""
    rows = tx.connection.execute(_deliveries(subscriber_id).order_by(delivery.c.issue_id.desc()).limit(limit))
    return [_past(row) for row in rows]


def delivery_of(tx: Tx, subscriber_id: int, *, issue_id: int) -> PastDelivery | None:
    """What became of one issue for one subscriber; None where they were not in its audience."""
    row = tx.connection.execute(_deliveries(subscriber_id).where(delivery.c.issue_id == issue_id)).one_or_none()
    return None if row is None else _past(row)


def _deliveries(subscriber_id: int) -> Select[Any]:
    return (
        select(
            delivery.c.issue_id,
            publication.c.slug.label("publication_slug"),
            issue.c.number,
            issue.c.period_start,
            delivery.c.state,
            delivery.c.attempt,
            delivery.c.due_at,
            delivery.c.sent_at,
            delivery.c.reason,
            delivery.c.reply_code,
            delivery.c.enhanced_code,
            delivery.c.reply_text,
        )
        .join(issue, issue.c.id == delivery.c.issue_id)
        .join(publication, publication.c.id == issue.c.publication_id)
        .where(delivery.c.subscriber_id == subscriber_id)
    )


def _past(row: Row[Any]) -> PastDelivery:
    return PastDelivery(**{**row._asdict(), "state": DeliveryState(row.state)})


def _filtered(query: Select[Any], publication_id: int | None, state: SubscriptionState | None) -> Select[Any]:
    query = query.where(subscriber.c.email != "")  # of the erased a row may stay, for the sums of old issues
    if publication_id is None and state is None:
        return query
    fits = select(subscription.c.subscriber_id).where(subscription.c.subscriber_id == subscriber.c.id)
    if publication_id is not None:
        fits = fits.where(subscription.c.publication_id == publication_id)
    if state is not None:
        fits = fits.where(subscription.c.state == state.value)
    return query.where(fits.exists())


def _one(tx: Tx, condition: ColumnElement[bool]) -> Subscriber | None:
    row = tx.connection.execute(select(subscriber).where(condition)).one_or_none()
    return None if row is None else _subscriber(row)


def _subscriber(row: Row[Any]) -> Subscriber:
    return Subscriber(**row._asdict())
