"""Segments: their rules as stored, and the readers that a rule chooses. Values are always bound, never text of SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, insert, not_, or_, select, update

from digest.model.delivery import DeliveryState
from digest.model.errors import AlreadyExists, NotFound
from digest.model.segment import ATTRIBUTE, Asked, Either, Every, Not, Op, Rule
from digest.model.subscriber import SubscriptionState
from digest.store.engine import Tx
from digest.store.reader_tables import segment
from digest.store.tables import (
    delivery,
    issue,
    publication,
    subscriber,
    subscription,
    subscription_topic,
    topic,
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A rule with a name, as it was written."""

    id: int
    publication_id: int
    name: str
    rule: str
    created_at: datetime


def add(tx: Tx, publication_id: int, *, name: str, rule: str, now: datetime) -> Segment:
    """Store a rule that was checked. Raises AlreadyExists."""
    own = (segment.c.publication_id == publication_id, segment.c.name == name)
    if tx.connection.execute(select(exists().where(*own))).scalar_one():
        raise AlreadyExists(f"there is a segment {name!r} already", hint="remove it first, or choose another name")
    values = {"publication_id": publication_id, "name": name, "rule": rule, "created_at": now}
    tx.connection.execute(insert(segment).values(**values))
    return get(tx, publication_id, name=name)


def get(tx: Tx, publication_id: int, *, name: str) -> Segment:
    """A segment by name. Raises NotFound with those there are."""
    query = select(segment).where(segment.c.publication_id == publication_id, segment.c.name == name)
    row = tx.connection.execute(query).one_or_none()
    if row is None:
        known = ", ".join(item.name for item in of_publication(tx, publication_id))
        raise NotFound(f"there is no segment {name!r}", hint=f"known segments: {known or 'none'}")
    return Segment(**row._asdict())


def of_publication(tx: Tx, publication_id: int) -> list[Segment]:
    """All segments of a publication by name."""
    query = select(segment).where(segment.c.publication_id == publication_id).order_by(segment.c.name)
    return [Segment(**row._asdict()) for row in tx.connection.execute(query)]


def remove(tx: Tx, segment_id: int) -> None:
    """Forget a rule; nobody's subscription changes."""
    tx.connection.execute(delete(segment).where(segment.c.id == segment_id))


def count(tx: Tx, publication_id: int, rule: Rule, *, now: datetime) -> dict[SubscriptionState, int]:
    """How many readers a rule chooses, by the state of their subscription, zeros included."""
    chosen = _chosen(publication_id, rule, now=now).subquery()
    query = (
        select(subscription.c.state, func.count())
        .where(subscription.c.publication_id == publication_id)
        .where(subscription.c.subscriber_id.in_(select(chosen.c.subscriber_id)))
        .group_by(subscription.c.state)
    )
    found = {row[0]: int(row[1]) for row in tx.connection.execute(query)}
    return {state: found.get(state.value, 0) for state in SubscriptionState}


def members(tx: Tx, publication_id: int, rule: Rule, *, now: datetime, limit: int, after: int = 0) -> list[int]:
    """Keys of the readers a rule chooses, in the order they came, from the one after ``after``."""
    query = _chosen(publication_id, rule, now=now).where(subscription.c.subscriber_id > after)
    query = query.order_by(subscription.c.subscriber_id).limit(limit)
    return list(tx.connection.execute(query).scalars())


def edit(
    tx: Tx, publication_id: int, rule: Rule, *, values: Mapping[str, Any], about: Mapping[str, Any], now: datetime
) -> int:
    """Set columns of the subscriptions (``values``) and of the readers (``about``) that a rule chooses; how many.

    A rule is asked once: what is set cannot change whom it chooses on the way.
    """
    keys = list(tx.connection.execute(_chosen(publication_id, rule, now=now)).scalars())
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        if values:
            mine = (subscription.c.publication_id == publication_id, subscription.c.subscriber_id.in_(part))
            tx.connection.execute(update(subscription).where(*mine).values(**values))
        if about:
            tx.connection.execute(update(subscriber).where(subscriber.c.id.in_(part)).values(**about))
    return len(keys)


_AT_ONCE = 1000


def _chosen(publication_id: int, rule: Rule, *, now: datetime) -> Select[Any]:
    return (
        select(subscription.c.subscriber_id)
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .join(publication, publication.c.id == subscription.c.publication_id)
        .where(subscription.c.publication_id == publication_id, _condition(rule, now))
    )


def _condition(rule: Rule, now: datetime) -> ColumnElement[bool]:
    match rule:
        case Every(parts):
            return and_(*(_condition(part, now) for part in parts))
        case Either(parts):
            return or_(*(_condition(part, now) for part in parts))
        case Not(part):
            return not_(func.coalesce(_condition(part, now), False))
        case Asked():
            return _asked(rule, now)


def _asked(test: Asked, now: datetime) -> ColumnElement[bool]:
    if test.field == "topic":
        return _reads_topic(test)
    if test.field == "mailed":
        return _was_mailed(test, now)
    if test.field == "domain" and test.op in {Op.IS, Op.IS_NOT, Op.IN}:
        ends = or_(*(subscriber.c.email_norm.endswith(f"@{value}", autoescape=True) for value in test.values))
        return not_(ends) if test.op is Op.IS_NOT else ends
    return _compared(_column(test.field), test, now)


def _column(field: str) -> ColumnElement[Any]:
    if field.startswith(ATTRIBUTE):
        attribute: ColumnElement[Any] = subscriber.c.attributes[field.removeprefix(ATTRIBUTE)].as_string()
        return attribute
    columns: dict[str, ColumnElement[Any]] = {
        "state": subscription.c.state,
        "cadence": subscription.c.cadence,
        "format": subscription.c.format,
        "locale": func.coalesce(subscriber.c.locale, publication.c.locale),
        "timezone": func.coalesce(subscriber.c.timezone, publication.c.timezone),
        "domain": subscriber.c.email_norm,
        "name": subscriber.c.name,
        "source": subscription.c.consent_source,
        "digest": subscription.c.digest,
        "alerts": subscription.c.alerts,
        "joined": subscription.c.created_at,
        "consented": subscription.c.consent_at,
        "left": subscription.c.unsubscribed_at,
    }
    return columns[field]


def _compared(column: ColumnElement[Any], test: Asked, now: datetime) -> ColumnElement[bool]:
    value: Any = test.values[0] if test.values else None
    found: Any
    match test.op:
        case Op.IS:
            found = column.is_(value) if isinstance(value, bool) else column == value
        case Op.IS_NOT:
            found = column.is_distinct_from(value)
        case Op.IN:
            found = column.in_(test.values)
        case Op.CONTAINS:
            found = func.lower(column).contains(str(value).lower(), autoescape=True)
        case Op.BEFORE:
            found = column < value
        case Op.AFTER:
            found = column > value
        case Op.WITHIN:
            found = column > now - value
        case Op.MISSING:
            found = or_(column.is_(None), column == "") if _is_text(test.field) else column.is_(None)
    made: ColumnElement[bool] = found
    return made


def _is_text(field: str) -> bool:
    return field not in {"joined", "consented", "left"}


def _reads_topic(test: Asked) -> ColumnElement[bool]:
    """Who chose a topic reads it, and so does who chose none."""
    mine = (
        subscription_topic.c.subscriber_id == subscription.c.subscriber_id,
        subscription_topic.c.publication_id == subscription.c.publication_id,
    )
    some = exists().where(*mine)
    if test.op is Op.MISSING:
        return ~some
    slug = topic.c.slug.contains(str(test.values[0]), autoescape=True) if test.op is Op.CONTAINS else None
    named = slug if slug is not None else topic.c.slug.in_(test.values)
    reads = or_(~some, exists().where(*mine, topic.c.id == subscription_topic.c.topic_id, named))
    return ~reads if test.op is Op.IS_NOT else reads


def _was_mailed(test: Asked, now: datetime) -> ColumnElement[bool]:
    """Whether an issue of the publication was accepted for the reader then."""
    value: Any = test.values[0] if test.values else None
    own = (
        delivery.c.subscriber_id == subscription.c.subscriber_id,
        issue.c.id == delivery.c.issue_id,
        issue.c.publication_id == subscription.c.publication_id,
        delivery.c.state == DeliveryState.SENT.value,
    )
    if test.op is Op.MISSING:
        return ~exists().where(*own)
    since = now - value if isinstance(value, timedelta) else value
    when = delivery.c.sent_at < since if test.op is Op.BEFORE else delivery.c.sent_at > since
    return exists().where(*own, when)
