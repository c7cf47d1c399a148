"""What happened to a subscriber's mail or subscription, append-only (names after anymail's normalised set)."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """Kinds of event."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    DEFERRED = "deferred"
    COMPLAINED = "complained"
