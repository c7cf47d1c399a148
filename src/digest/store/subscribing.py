"""Subscribing up to a chunk of people with a handful of statements, whatever their number.

Safe beside other writers: rows are inserted with ON CONFLICT DO NOTHING, then read and locked in key order, and
what is there then is what the rule in `store.enrolment` decides upon.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, delete, insert, select, update

from digest.config.secrets import new_id
from digest.model.errors import BadInput
from digest.model.event import EventKind
from digest.model.subscriber import Format, SubscriptionState
from digest.store import events, publications
from digest.store.engine import Tx
from digest.store.enrolment import Enrolment, Terms, Wish, first_terms, merge
from digest.store.publications import insert_or_ignore
from digest.store.tables import subscription, subscription_topic, topic

_EVENTS = {
    SubscriptionState.ACTIVE: EventKind.SUBSCRIBED,
    SubscriptionState.UNSUBSCRIBED: EventKind.UNSUBSCRIBED,
}


def subscribe_many(
    tx: Tx,
    publication_id: int,
    *,
    wishes: Mapping[int, Wish],
    default_cadence: str,
    how: str,
    now: datetime,
    resubscribe: bool = False,
) -> dict[int, Enrolment]:
    """Subscribe up to a chunk of people, by subscriber key; gives what each came to.

    ``how`` is the consent source of new subscriptions that bring none, and the detail of the events.
    """
    topic_ids = _topic_ids(tx, publication_id, wishes.values())
    firsts = {key: first_terms(wish, default_cadence=default_cadence, how=how, now=now) for key, wish in wishes.items()}
    minted = _insert_missing(tx, publication_id, firsts, now=now)
    rows = _lock(tx, publication_id, wishes)
    chosen = topics_of(tx, wishes)
    done: dict[int, Enrolment] = {}
    changes: dict[int, Terms] = {}
    choices: dict[int, tuple[str, ...]] = {}
    happened: list[events.NewEvent] = []
    for key, wish in wishes.items():
        # The token we minted is there only if our insert won against another import's.
        stored, created = _terms(rows[key]), minted.get(key) == rows[key].token_id
        terms = stored if created else merge(stored, wish, resubscribe=resubscribe, now=now)
        if terms is None:
            done[key] = Enrolment.KEPT_UNSUBSCRIBED
            continue
        topics = None if wish.topics is None else tuple(sorted(set(wish.topics)))
        if topics is not None and topics != chosen[key, publication_id]:
            choices[key] = topics
        if terms != stored:
            changes[key] = terms
        if created or terms.state is not stored.state:
            happened += state_event(rows[key], terms.state, how=how, now=now)
        done[key] = _outcome(created=created, changed=key in changes or key in choices)
    _update(tx, publication_id, changes)
    _choose(tx, publication_id, choices, topic_ids=topic_ids)
    events.append_many(tx, happened)
    return done


def _topic_ids(tx: Tx, publication_id: int, wishes: Iterable[Wish]) -> dict[str, int]:
    known = {item.slug: item.id for item in publications.topics(tx, publication_id)}
    unknown = {slug for wish in wishes for slug in wish.topics or ()} - known.keys()
    if unknown:
        hint = f"known topics: {', '.join(known)}" if known else "this publication has no topics yet"
        raise BadInput(f"there is no topic {min(unknown)!r}", hint=hint)
    return known


def _insert_missing(tx: Tx, publication_id: int, firsts: Mapping[int, Terms], *, now: datetime) -> dict[int, str]:
    """Insert the subscriptions that are new; gives the tokens minted for them."""
    query = select(subscription.c.subscriber_id).where(
        subscription.c.publication_id == publication_id, subscription.c.subscriber_id.in_(firsts)
    )
    known = set(tx.connection.execute(query).scalars())
    minted = {key: new_id() for key in sorted(firsts.keys() - known)}
    rows = [
        {"subscriber_id": key, "publication_id": publication_id, "token_id": token, "created_at": now}
        | _columns(firsts[key])
        for key, token in minted.items()
    ]
    if rows:
        statement = insert_or_ignore(tx, subscription)
        statement = statement.on_conflict_do_nothing(index_elements=["subscriber_id", "publication_id"])
        tx.connection.execute(statement, rows)
    return minted


def _lock(tx: Tx, publication_id: int, keys: Collection[int]) -> dict[int, Row[Any]]:
    """The rows as they are, ours until the end of the transaction.

    In the order of the key, so that two imports at once wait for each other instead of deadlocking.
    """
    query = (
        select(subscription)
        .where(subscription.c.publication_id == publication_id, subscription.c.subscriber_id.in_(keys))
        .order_by(subscription.c.subscriber_id)
        .with_for_update()
    )
    return {row.subscriber_id: row for row in tx.connection.execute(query)}


def topics_of(tx: Tx, subscriber_ids: Collection[int]) -> defaultdict[tuple[int, int], tuple[str, ...]]:
    """Chosen topic slugs in order, by (subscriber, publication)."""
    return _topics(tx, subscription_topic.c.subscriber_id.in_(subscriber_ids))


def topics_between(tx: Tx, publication_id: int, after: int, last: int) -> Mapping[tuple[int, int], tuple[str, ...]]:
    """The same for the readers of a publication whose keys follow ``after``, up to ``last``."""
    key = subscription_topic.c.subscriber_id
    return _topics(tx, subscription_topic.c.publication_id == publication_id, key > after, key <= last)


def _topics(tx: Tx, *conditions: ColumnElement[bool]) -> defaultdict[tuple[int, int], tuple[str, ...]]:
    query = (
        select(subscription_topic.c.subscriber_id, subscription_topic.c.publication_id, topic.c.slug)
        .join(topic, topic.c.id == subscription_topic.c.topic_id)
        .where(*conditions)
    )
    found: defaultdict[tuple[int, int], tuple[str, ...]] = defaultdict(tuple)
    for subscriber_id, publication_id, slug in tx.connection.execute(query):
        found[subscriber_id, publication_id] += (slug,)
    for key, slugs in found.items():
        found[key] = tuple(sorted(slugs))
    return found


def _update(tx: Tx, publication_id: int, changes: Mapping[int, Terms]) -> None:
    if not changes:
        return
    rows = [
        {"key": key, **{f"new_{name}": value for name, value in _columns(terms).items()}}
        for key, terms in changes.items()
    ]
    names = [name.removeprefix("new_") for name in rows[0] if name != "key"]
    statement = (
        update(subscription)
        .where(subscription.c.subscriber_id == bindparam("key"), subscription.c.publication_id == publication_id)
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    tx.connection.execute(statement, rows)


def _choose(
    tx: Tx, publication_id: int, choices: Mapping[int, tuple[str, ...]], *, topic_ids: Mapping[str, int]
) -> None:
    """Replace the topics of those subscriptions."""
    if not choices:
        return
    tx.connection.execute(
        delete(subscription_topic).where(
            subscription_topic.c.publication_id == publication_id, subscription_topic.c.subscriber_id.in_(choices)
        )
    )
    rows = [
        {"subscriber_id": key, "publication_id": publication_id, "topic_id": topic_ids[slug]}
        for key, slugs in choices.items()
        for slug in slugs
    ]
    if rows:
        tx.connection.execute(insert(subscription_topic), rows)


def state_event(row: Row[Any], state: SubscriptionState, *, how: str, now: datetime) -> list[events.NewEvent]:
    """The event that entering ``state`` is, if it is one."""
    kind = _EVENTS.get(state)
    if kind is None:
        return []
    return [
        events.NewEvent(
            dedupe_key=f"{kind}:{row.token_id}:{int(now.timestamp() * 1_000_000)}",
            kind=kind,
            at=now,
            publication_id=row.publication_id,
            subscriber_id=row.subscriber_id,
            detail=how,
        )
    ]


def _terms(row: Row[Any]) -> Terms:
    return Terms(
        state=SubscriptionState(row.state),
        cadence=row.cadence,
        format=Format(row.format),
        consent_at=row.consent_at,
        consent_source=row.consent_source,
        consent_proof=row.consent_proof,
        unsubscribed_at=row.unsubscribed_at,
        digest=row.digest,
        alerts=row.alerts,
        deliver_at=row.deliver_at,
        paused_until=row.paused_until,
    )


def _columns(terms: Terms) -> dict[str, Any]:
    return asdict(terms) | {"state": terms.state.value, "format": terms.format.value}


def _outcome(*, created: bool, changed: bool) -> Enrolment:
    if created:
        return Enrolment.CREATED
    return Enrolment.UPDATED if changed else Enrolment.UNCHANGED
