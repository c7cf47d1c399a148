"""Subscriptions: one row per (subscriber, publication), its topics, and leaving.

What a wish may change is decided in `store.enrolment`, many at once are written by `store.subscribing`.
Leaving is a compare-and-set on the state: any number of clicks is one change and one event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, update

from digest.model.subscriber import Format, Subscriber, Subscription, SubscriptionState
from digest.store import events
from digest.store.engine import Tx
from digest.store.enrolment import Consent, Enrolment, Wish
from digest.store.subscribing import state_event, subscribe_many, topics_between, topics_of
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
    slug = tx.connection.execute(select(publication.c.slug).where(publication.c.id == publication_id)).scalar_one()
    # In disguise, so that the key leads to the next readers, and no index to all of the publication, to be sorted.
    mine = func.coalesce(subscription.c.publication_id, 0) == publication_id
    query = _select(literal(slug)).where(mine, subscription.c.subscriber_id > after)
    rows = tx.connection.execute(query.order_by(subscription.c.subscriber_id).limit(limit)).all()
    chosen = topics_between(tx, publication_id, after, rows[-1][0]) if rows else {}
    return [_subscription(row, chosen) for row in rows]


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
    query = _select(publication.c.slug).join(publication, publication.c.id == subscription.c.publication_id)
    query = query.where(condition).order_by(publication.c.slug, subscription.c.subscriber_id)
    rows = tx.connection.execute(query).all()
    topics = topics_of(tx, [row[0] for row in rows])
    return [_subscription(row, topics) for row in rows]


#: First the fields of a `Subscriber`, then those of a `Subscription`: a page of a thousand is made by position.
_PERSON = len(subscriber.c)


def _select(slug: ColumnElement[Any]) -> Select[Any]:
    return select(
        *subscriber.c,
        subscription.c.publication_id,
        slug,
        subscription.c.token_id,
        subscription.c.state,
        subscription.c.cadence,
        subscription.c.format,
        subscription.c.consent_at,
        subscription.c.consent_source,
        subscription.c.created_at,
        subscription.c.unsubscribed_at,
        subscription.c.digest,
        subscription.c.alerts,
        subscription.c.deliver_at,
        subscription.c.paused_until,
    ).join(subscription, subscription.c.subscriber_id == subscriber.c.id)


def _subscription(row: Sequence[Any], topics: Mapping[tuple[int, int], tuple[str, ...]]) -> Subscription:
    key, slug, token_id, state, cadence, form, *rest = row[_PERSON:]
    consent_at, source, created_at, unsubscribed_at, digest, alerts, deliver_at, paused_until = rest
    return Subscription(
        Subscriber(*row[:_PERSON]),
        key,
        slug,
        token_id,
        _STATES[state],
        cadence,
        _FORMATS[form],
        topics.get((row[0], key), ()),
        consent_at,
        source,
        created_at,
        unsubscribed_at,
        digest,
        alerts,
        time.fromisoformat(deliver_at) if deliver_at else None,
        paused_until,
    )


_STATES = {state.value: state for state in SubscriptionState}
_FORMATS = {one.value: one for one in Format}


def resume_due(tx: Tx, *, now: datetime) -> int:
    """Let pauses end whose time has come; returns how many."""
    due = (
        subscription.c.paused_until <= now,
        subscription.c.paused_until.is_not(None),
        subscription.c.state == SubscriptionState.PAUSED.value,
    )
    going_on = {"state": SubscriptionState.ACTIVE.value, "paused_until": None}
    return tx.connection.execute(update(subscription).where(*due).values(**going_on)).rowcount


def move_to_cadence(tx: Tx, publication_id: int, cadence: str, *, to: str) -> int:
    """Give everybody who has one cadence of a publication another, whatever the state; returns how many."""
    of_cadence = (subscription.c.publication_id == publication_id, subscription.c.cadence == cadence)
    return tx.connection.execute(update(subscription).where(*of_cadence).values(cadence=to)).rowcount
