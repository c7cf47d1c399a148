"""Renditions: the issue composed once per (topics, locale, format), still with slots for what is personal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from digest.model.issue import Rendition, RenditionKey
from digest.model.subscriber import SubscriptionState
from digest.store import wanting
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import publication, rendition, subscriber, subscription, subscription_topic, topic
from digest.text.fold import fold

#: The format of the unpersonalised rendition that the web view shows.
WEB = "web"


def wanted_keys(tx: Tx, publication_id: int, cadence: str) -> dict[RenditionKey, int]:
    """Every key that active readers of a cadence need, with the number of readers behind it."""
    chosen = _topics_by_subscriber(tx, publication_id)
    readers = tx.connection.execute(
        select(
            subscription.c.subscriber_id,
            func.coalesce(subscriber.c.locale, publication.c.locale),
            subscription.c.format,
        )
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .join(publication, publication.c.id == subscription.c.publication_id)
        .where(
            subscription.c.publication_id == publication_id,
            wanting.wants(cadence),
            subscription.c.state == SubscriptionState.ACTIVE.value,
        )
    )
    counts: dict[RenditionKey, int] = {}
    for subscriber_id, locale, format_ in readers:
        key = RenditionKey(chosen.get(subscriber_id, ()), locale, format_)
        counts[key] = counts.get(key, 0) + 1
    return counts


def _topics_by_subscriber(tx: Tx, publication_id: int) -> Mapping[int, tuple[str, ...]]:
    """Chosen topic slugs, sorted; subscribers who chose none (and so get everything) are absent."""
    rows = tx.connection.execute(
        select(subscription_topic.c.subscriber_id, topic.c.slug)
        .join(topic, topic.c.id == subscription_topic.c.topic_id)
        .where(subscription_topic.c.publication_id == publication_id)
        .order_by(subscription_topic.c.subscriber_id, topic.c.slug)
    )
    chosen: dict[int, list[str]] = {}
    for subscriber_id, slug in rows:
        chosen.setdefault(subscriber_id, []).append(slug)
    return {subscriber_id: tuple(slugs) for subscriber_id, slugs in chosen.items()}


def put(
    tx: Tx, issue_id: int, composed: Iterable[tuple[RenditionKey, str, str, str]], *, now: datetime
) -> dict[RenditionKey, int]:
    """Store (key, subject, html, text) of each rendition; a repeated call keeps the first. Gives the row ids."""
    ids: dict[RenditionKey, int] = {}
    for key, subject, html, text in composed:
        key_hash = hashlib.sha256(key.text().encode()).hexdigest()
        statement = insert_or_ignore(tx, rendition).values(
            issue_id=issue_id,
            key_hash=key_hash,
            topics=list(key.topics),
            locale=key.locale,
            format=key.format,
            subject=subject,
            html=html,
            text=text,
            search_text=fold(text) if key.format == WEB else None,
            created_at=now,
        )
        tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["issue_id", "key_hash"]))
        ids[key] = tx.connection.execute(
            select(rendition.c.id).where(rendition.c.issue_id == issue_id, rendition.c.key_hash == key_hash)
        ).scalar_one()
    return ids


def retire(tx: Tx, issue_id: int, *, now: datetime) -> dict[RenditionKey, int]:
    """Make room for others in place of an issue's renditions; gives the row ids of those retired by this call.

    They stay: who got one, or may have, gets the same again, and the archive of what was sent is complete.
    """
    current = of_issue(tx, issue_id)
    for old in current:
        unused = hashlib.sha256(f"{old.key.text()}|{old.id}".encode()).hexdigest()
        tx.connection.execute(update(rendition).where(rendition.c.id == old.id).values(key_hash=unused, retired_at=now))
    return {old.key: old.id for old in current}


def of_issue(tx: Tx, issue_id: int) -> list[Rendition]:
    """The renditions of an issue as it stands: those an editor's change has retired are left out."""
    query = select(rendition).where(rendition.c.issue_id == issue_id, rendition.c.retired_at.is_(None))
    return [_rendition(row) for row in tx.connection.execute(query.order_by(rendition.c.id))]


def get(tx: Tx, rendition_id: int) -> Rendition:
    """A rendition by key, retired or not, which must exist."""
    return _rendition(tx.connection.execute(select(rendition).where(rendition.c.id == rendition_id)).one())


def _rendition(row: Row[Any]) -> Rendition:
    return Rendition(
        id=row.id,
        issue_id=row.issue_id,
        key=RenditionKey(tuple(row.topics), row.locale, row.format),
        subject=row.subject,
        html=row.html,
        text=row.text,
    )


def web_key(locale: str) -> RenditionKey:
    """The key of the web view: every topic, nobody in particular."""
    return RenditionKey((), locale, WEB)


def web_view(tx: Tx, issue_id: int) -> Rendition | None:
    """The unpersonalised rendition, or None before composing."""
    return next((item for item in of_issue(tx, issue_id) if item.key.format == WEB), None)
