"""People and their relation to a publication."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum


class SubscriptionState(StrEnum):
    """Where a subscription stands. Only ``active`` ones are mailed."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"


class Format(StrEnum):
    """What a reader wants to get: both parts, or plain text only."""

    HTML = "html"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A person's address. ``email_norm`` is the key: case-folded, IDN domain as A-labels."""

    id: int
    public_id: str
    email: str
    email_norm: str
    name: str
    locale: str | None
    timezone: str | None
    created_at: datetime
    attributes: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscriber in one publication. ``token_id`` is the random id that signed links carry.

    The daily ``digest`` and breaking-news ``alerts`` are agreed to apart. ``deliver_at`` is local wall-clock time,
    None the publication's; ``paused_until`` None means until the reader says so.
    """

    subscriber: Subscriber
    publication_id: int
    publication_slug: str
    token_id: str
    state: SubscriptionState
    cadence: str
    format: Format
    topics: tuple[str, ...]
    consent_at: datetime | None
    consent_source: str
    created_at: datetime
    unsubscribed_at: datetime | None
    digest: bool = True
    alerts: bool = False
    deliver_at: time | None = None
    paused_until: datetime | None = None
