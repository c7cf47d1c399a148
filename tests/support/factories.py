"""Rows with boring defaults; a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from digest.mime.address import parse_address
from digest.model.publication import Cadence, CadenceRule, NewPublication, Publication, Topic
from digest.model.subscriber import Subscriber, Subscription
from digest.store import publications, subscribers, subscriptions
from digest.store.engine import Tx

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


def make_publication(tx: Tx, slug: str = "morning", *, topics: tuple[str, ...] = (), **overrides: Any) -> Publication:
    """A daily publication with the named topics."""
    defaults: dict[str, Any] = {
        "slug": slug,
        "name": f"The {slug.title()} Post",
        "sender_name": "The Desk",
        "sender_email": "desk@example.com",
        "timezone": "Europe/Berlin",
        "postal_address": "1 Example Street, Exampleton",
        "cadence": Cadence("daily", CadenceRule.DAILY, time(7, 0)),
    }
    made = publications.add(tx, NewPublication(**(defaults | overrides)), now=NOW)
    for topic in topics:
        make_topic(tx, made, topic)
    return made


def make_topic(tx: Tx, publication: Publication, slug: str = "city") -> Topic:
    return publications.ensure_topic(tx, publication.id, slug=slug, name=slug.title())


def make_subscriber(tx: Tx, email: str = "reader@example.com", **overrides: Any) -> Subscriber:
    address = parse_address(email)
    defaults: dict[str, Any] = {"email": address.email, "email_norm": address.norm, "name": "Reader", "now": NOW}
    made, _ = subscribers.upsert(tx, **(defaults | overrides))
    return made


def make_subscription(
    tx: Tx, publication: Publication, email: str = "reader@example.com", **overrides: Any
) -> Subscription:
    """An active subscription of a (new) subscriber."""
    reader = make_subscriber(tx, email)
    defaults: dict[str, Any] = {
        "publication_id": publication.id,
        "cadence": publication.cadences[0].name,
        "consent_at": NOW,
        "consent_source": "test",
        "now": NOW,
    }
    subscriptions.subscribe(tx, reader.id, **(defaults | overrides))
    made = subscriptions.get(tx, reader.id, publication_id=publication.id)
    assert made is not None
    return made
