"""A notice: one transactional mail to one address, and its way there.

Its states and what may change to what are those of a delivery (`model.delivery`); nothing skips a notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from digest.model.delivery import DeliveryState, FailReason

#: How long a notice is worth sending: a link that was asked for yesterday surprises more than it helps.
EXPIRE_AFTER = timedelta(hours=24)


class NoticeKind(StrEnum):
    """What a notice is for; also a metric label."""

    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    TEST = "test"
    REMINDER = "reminder"
    WELCOME = "welcome"
    GOODBYE = "goodbye"
    ADDRESS = "address"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice to be sent, as it was rendered. One with the same ``dedupe_key`` is never sent again.

    ``html`` None gives a mail of plain text; ``language`` is a BCP 47 tag.
    """

    kind: NoticeKind
    dedupe_key: str
    publication_id: int
    email: str
    email_norm: str
    language: str
    subject: str
    text: str
    html: str | None
    subscriber_id: int | None = None
    expire_after: timedelta = EXPIRE_AFTER


@dataclass(frozen=True, slots=True)
class Notice:
    """A claimed notice with all that its message takes."""

    id: int
    kind: NoticeKind
    dedupe_key: str
    publication_id: int
    email: str
    language: str
    subject: str
    text: str
    html: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeStatus:
    """How far a notice has come, and what the relay said last."""

    id: int
    state: DeliveryState
    attempt: int
    next_attempt_at: datetime | None
    relay: str | None
    reply_code: int | None
    enhanced_code: str | None
    reply_text: str | None
    reason: FailReason | None
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class NoticeRef:
    """A unit of work for a worker: whatever notices are ready."""
