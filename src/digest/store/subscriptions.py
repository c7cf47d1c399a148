"""Subscriptions: one row per (subscriber, publication), its topics, and leaving.

What a wish may change is decided in `store.enrolment`, many at once are written by `store.subscribing`.
Leaving is a compare-and-set on the state: any number of clicks is one change and one event.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select, update

from digest.model.subscriber import Format, Subscriber, Subscription, SubscriptionState
from digest.store import events
from digest.store.engine import Tx
from digest.store.enrolment import Consent, Enrolment, Wish
from digest.store.subscribing import state_event, subscribe_many, topics_of
from digest.store.tables import publication, subscriber, subscription


def subscribe(
    tx: Tx,
    subscriber_id: int,
    *,
    publication_id: int,
    cadence: str,
    consent_source: str,
    now: datetime,
    state: SubscriptionState | None = None,
    format: Format | None = None,  # noqa: A002 - the column's name
    topics: tuple[str, ...] | None = None,
    consent_at: datetime | None = None,
    consent_proof: str = "",
    resubscribe: bool = False,
) -> Enrolment:
    """Subscribe one person; a repeated call changes nothing. Raises BadInput for a topic the publication lacks."""
    consent = Consent(consent_at, consent_source, consent_proof)
    wish = Wish(state=state, cadence=cadence, format=format, topics=topics, consent=consent)
    done = subscribe_many(
        tx,
        publication_id,
        wishes={subscriber_id: wish},
        default_cadence=cadence,
        how=consent_source,
        now=now,
        resubscribe=resubscribe,
    )
    return done[subscriber_id]


def unsubscribe(
    tx: Tx,
    *,
    token_id: str | None = None,
    subscriber_id: int | None = None,
    publication_id: int | None = None,
    now: datetime,
    how: str,
) -> bool:
    """End a subscription, named by its token or by its key; False when it was over already or never was."""
    if token_id is not None:
        which = subscription.c.token_id == token_id
    elif subscriber_id is not None and publication_id is not None:
        which = (subscription.c.subscriber_id == subscriber_id) & (subscription.c.publication_id == publication_id)
    else:
        raise ValueError("name the subscription by token_id, or by subscriber_id and publication_id")
    # Compare-and-set: of any number of clicks at once, one finds the state it changes.
    row = tx.connection.execute(
        update(subscription)
        .where(which, subscription.c.state != SubscriptionState.UNSUBSCRIBED.value)
        .values(state=SubscriptionState.UNSUBSCRIBED.value, unsubscribed_at=now)
        .returning(subscription.c.subscriber_id, subscription.c.publication_id, subscription.c.token_id)
    ).one_or_none()
    if row is None:
        return False
    events.append_many(tx, state_event(row, SubscriptionState.UNSUBSCRIBED, how=how, now=now))
    return True


def by_token_id(tx: Tx, token_id: str) -> Subscription | None:
    """The subscription that a link names."""
    found = _read(tx, subscription.c.token_id == token_id)
    return found[0] if found else None


def get(tx: Tx, subscriber_id: int, *, publication_id: int) -> Subscription | None:
    """One person's subscription to one publication."""
    key = (subscription.c.subscriber_id == subscriber_id) & (subscription.c.publication_id == publication_id)
    found = _read(tx, key)
    return found[0] if found else None


def of_subscriber(tx: Tx, subscriber_id: int) -> list[Subscription]:
    """All subscriptions of a person, by publication slug."""
    return _read(tx, subscription.c.subscriber_id == subscriber_id)


def of_subscribers(tx: Tx, subscriber_ids: Sequence[int]) -> dict[int, list[Subscription]]:
    """The subscriptions of up to a chunk of people, by subscriber key."""
    found: dict[int, list[Subscription]] = {key: [] for key in subscriber_ids}
    for item in _read(tx, subscription.c.subscriber_id.in_(subscriber_ids)):
        found[item.subscriber.id].append(item)
    return found


def page(tx: Tx, publication_id: int, *, limit: int, after: int = 0) -> list[Subscription]:
    """Subscriptions of a publication by subscriber key, from the one after ``after``."""
    keys = (
        select(subscription.c.subscriber_id)
        .where(subscription.c.publication_id == publication_id, subscription.c.subscriber_id > after)
        .order_by(subscription.c.subscriber_id)
        .limit(limit)
    )
    return _read(tx, (subscription.c.publication_id == publication_id) & subscription.c.subscriber_id.in_(keys))


def consent_proofs(tx: Tx, publication_id: int, subscriber_ids: Collection[int]) -> dict[int, str]:
    """The proofs of consent on record, by subscriber key."""
    query = select(subscription.c.subscriber_id, subscription.c.consent_proof).where(
        subscription.c.publication_id == publication_id, subscription.c.subscriber_id.in_(subscriber_ids)
    )
    return {row.subscriber_id: row.consent_proof for row in tx.connection.execute(query)}


def counts(tx: Tx, publication_id: int) -> dict[SubscriptionState, int]:
    """How many subscriptions a publication has in each state, zeros included."""
    query = (
        select(subscription.c.state, func.count().label("number"))
        .where(subscription.c.publication_id == publication_id)
        .group_by(subscription.c.state)
    )
    found = {row.state: row.number for row in tx.connection.execute(query)}
    return {state: found.get(state.value, 0) for state in SubscriptionState}


def _read(tx: Tx, condition: ColumnElement[bool]) -> list[Subscription]:
    """Subscriptions by publication slug, then by subscriber key."""
    query = (
        select(subscription, publication.c.slug, *(column.label(f"s_{column.name}") for column in subscriber.c))
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .join(publication, publication.c.id == subscription.c.publication_id)
        .where(condition)
        .order_by(publication.c.slug, subscription.c.subscriber_id)
    )
    rows = tx.connection.execute(query).all()
    topics = topics_of(tx, [row.subscriber_id for row in rows])
    return [_subscription(row, topics[row.subscriber_id, row.publication_id]) for row in rows]


def _subscription(row: Row[Any], topics: tuple[str, ...]) -> Subscription:
    return Subscription(
        subscriber=Subscriber(**{column.name: getattr(row, f"s_{column.name}") for column in subscriber.c}),
        publication_id=row.publication_id,
        publication_slug=row.slug,
        token_id=row.token_id,
        state=SubscriptionState(row.state),
        cadence=row.cadence,
        format=Format(row.format),
        topics=topics,
        consent_at=row.consent_at,
        consent_source=row.consent_source,
        created_at=row.created_at,
        unsubscribed_at=row.unsubscribed_at,
    )
