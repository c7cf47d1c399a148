"""A delivery: the fact of one issue to one subscriber, and its state machine (architecture 2.6).

`leased` is apart from `sending` so that a crash puts only rows whose bytes may be on the wire in doubt:
a leased row whose lease expires is provably unsent and goes back to pending.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from digest.model.mailbox import Hindrance


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    LEASED = "leased"
    SENDING = "sending"
    DEFERRED = "deferred"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


_S = DeliveryState
TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    # pending → failed: the issue expired before anybody could try; → unknown: the resend of a doubt is given up
    _S.PENDING: frozenset({_S.LEASED, _S.SKIPPED, _S.FAILED, _S.UNKNOWN}),
    _S.LEASED: frozenset({_S.PENDING, _S.SENDING, _S.SKIPPED, _S.UNKNOWN}),
    # sending → pending: the connection died, or the relay refused us, before the final dot was written; where the
    # issue has ended meanwhile it is skipped from there, as a deferred one is, in the same transaction
    _S.SENDING: frozenset({_S.SENT, _S.DEFERRED, _S.FAILED, _S.UNKNOWN, _S.PENDING}),
    _S.DEFERRED: frozenset({_S.PENDING, _S.FAILED, _S.SKIPPED, _S.UNKNOWN}),
    # unknown → sent: a late reply, or an operator who knows (`digest issue settle`)
    _S.UNKNOWN: frozenset({_S.PENDING, _S.SENT, _S.FAILED}),
    _S.SENT: frozenset(),
    _S.FAILED: frozenset({_S.PENDING}),  # only an operator does this: `digest issue retry --failed`
    _S.SKIPPED: frozenset(),
}

OPEN = frozenset({_S.PENDING, _S.LEASED, _S.SENDING, _S.DEFERRED})


class FailReason(StrEnum):
    """Why a delivery failed, was skipped, or counts as sent by a person's word; a closed set, also a metric label."""

    REJECTED = "rejected"
    EXPIRED = "expired"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    SETTLED = "settled"
    NO_MATCHING_NEWS = "no-matching-news"
    INVALID_MESSAGE = "invalid-message"
    NEEDS_SMTPUTF8 = "needs-smtputf8"
    PREFERENCES = "preferences"


class OnDoubt(StrEnum):
    """What to do with a delivery whose bytes may or may not have been accepted (RFC 1047)."""

    RESEND = "resend"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A claimed delivery with all that filling its message takes. In memory only.

    ``first_attempt_at`` is set once the delivery was marked before: the Date header never changes on retry.
    ``is_hindered``: earlier mail to this reader met something that an accepted one takes off the record.
    """

    issue_id: int
    subscriber_id: int
    rendition_id: int
    attempt: int
    first_attempt_at: datetime | None
    email: str
    name: str
    locale: str
    token_id: str
    signed_up_at: datetime
    is_hindered: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt. ``state`` is the next delivery state; codes are the relay's own.

    What it means for the address: it is dead, or ``hindrance`` stood in the way, or mail was taken and what did
    before ``is_over``. ``email_hash`` names the address where it may have to be suppressed.
    """

    subscriber_id: int
    state: DeliveryState
    at: datetime
    relay: str = ""
    reply_code: int | None = None
    enhanced_code: str | None = None
    reply_text: str = ""
    reason: FailReason | None = None
    retry_at: datetime | None = None
    address_is_dead: bool = False
    hindrance: Hindrance | None = None
    is_over: bool = False
    email_hash: str = ""


@dataclass(frozen=True, slots=True)
class Marked:
    """A delivery whose bytes may go out now: this attempt's number and the instant of the first attempt."""

    subscriber_id: int
    attempt: int
    first_attempt_at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """The deliveries of an issue by state, and why some failed or were skipped."""

    audience: int
    counts: dict[DeliveryState, int]
    failures: dict[str, int]

    @property
    def open_count(self) -> int:
        """Deliveries on which work remains."""
        return sum(self.counts[state] for state in OPEN)


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """A unit of work for a worker: up to 1000 deliveries of one issue.

    ``priority`` is the issue's: 0 for bulk, more overtakes. It is no part of what the chunk is.
    """

    issue_id: int
    chunk: int
    priority: int = field(default=0, compare=False)


def backoff(attempt: int, *, first: timedelta, rng: Random) -> timedelta:
    """Delay before the next try after ``attempt`` (1-based): ``first``·2^(n-1), capped at 6 h, ±20 % jitter.

    RFC 5321 §4.5.4.1 asks for 30 min or more towards an MX; our peer is a relay with its own queue,
    so the default first delay is 5 min. Raises ValueError for attempt < 1.
    """
    if attempt < 1:
        raise ValueError(f"attempt must be at least 1, got {attempt}")
    doublings = min(attempt - 1, 20)  # far beyond the cap already; 2.0 ** 1100 would overflow
    seconds = min(first.total_seconds() * 2.0**doublings, 6 * 3600.0)
    return timedelta(seconds=seconds * rng.uniform(0.8, 1.2))
