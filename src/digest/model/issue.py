"""An issue: one numbered edition for one period, its items and its state machine.

`TRANSITIONS` is data: the store refuses anything not in it, and the diagram in the docs is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class IssueState(StrEnum):
    """Where an issue stands."""

    PLANNED = "planned"
    COLLECTING = "collecting"
    CURATED = "curated"
    COMPOSED = "composed"
    APPROVED = "approved"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether work on it remains."""
        return self not in CLOSED


_S = IssueState
CLOSED = frozenset({_S.SENT, _S.SKIPPED, _S.FAILED, _S.CANCELLED})

TRANSITIONS: dict[IssueState, frozenset[IssueState]] = {
    _S.PLANNED: frozenset({_S.COLLECTING, _S.SKIPPED, _S.FAILED, _S.CANCELLED}),
    _S.COLLECTING: frozenset({_S.CURATED, _S.SKIPPED, _S.FAILED, _S.CANCELLED}),
    _S.CURATED: frozenset({_S.COMPOSED, _S.SKIPPED, _S.FAILED, _S.CANCELLED}),
    _S.COMPOSED: frozenset({_S.APPROVED, _S.SENDING, _S.SKIPPED, _S.FAILED, _S.CANCELLED}),
    _S.APPROVED: frozenset({_S.SENDING, _S.SKIPPED, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.PAUSED, _S.SENT, _S.CANCELLED}),
    _S.PAUSED: frozenset({_S.SENDING, _S.CANCELLED}),
    _S.SENT: frozenset({_S.SENDING}),  # only an operator does this: `digest issue retry --failed`, `settle --resend`
    _S.SKIPPED: frozenset(),
    _S.FAILED: frozenset({_S.PLANNED}),  # only an operator does this: `digest issue retry`
    _S.CANCELLED: frozenset(),
}


class SkipReason(StrEnum):
    """Why an issue was not sent; also a metric label."""

    TOO_LITTLE_NEWS = "too-little-news"
    NO_READERS = "no-readers"
    TOO_LATE = "too-late"


class Role(StrEnum):
    """How an item is shown."""

    LEAD = "lead"
    STORY = "story"
    BRIEF = "brief"


class Verdict(StrEnum):
    """What curating decided about a candidate article; the ledger's answer to ``digest why``."""

    PLACED = "placed"
    MERGED = "merged"
    OVER_CAP = "over-cap"
    TOO_OLD = "too-old"
    HIDDEN = "hidden"
    RECALLED = "recalled"
    ALREADY_CARRIED = "already-carried"


@dataclass(frozen=True, slots=True)
class Issue:
    """One edition; ``[window_from, window_to)`` are first-seen instants, ``number`` is given on composing.

    ``intro`` is an editor's words above the lead. It is not sent before ``hold_until`` unless an editor approves it.
    Nothing of it goes out from ``expires_at`` on. ``priority`` 0 is bulk; an issue with more overtakes it.
    """

    id: int
    publication_id: int
    publication_slug: str
    cadence: str
    period_start: date
    due_at: datetime
    window_from: datetime | None
    window_to: datetime | None
    state: IssueState
    reason: str | None
    number: int | None
    subject: str | None
    preheader: str | None
    audience: int | None
    created_at: datetime
    sending_at: datetime | None
    closed_at: datetime | None
    expires_at: datetime | None = None
    priority: int = 0
    intro: str = ""
    hold_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One article looked at for an issue, and why it got its verdict.

    ``score_parts`` add up to ``score``; ``merged_into`` is the article id that leads the story.
    """

    article_id: int
    verdict: Verdict
    score: float = 0.0
    score_parts: dict[str, float] = field(default_factory=dict)
    merged_into: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class IssueItem:
    """An article placed in an issue. ``section`` is a topic slug; ``also_at`` are (source title, url) of copies."""

    article_id: int
    position: int
    role: Role
    section: str
    section_title: str
    score: float
    teaser: str
    also_at: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RenditionKey:
    """What distinguishes one rendition from another; ``topics`` empty means every topic, sorted otherwise."""

    topics: tuple[str, ...]
    locale: str
    format: str

    def text(self) -> str:
        """A stable text of the key, hashed for the unique constraint."""
        return f"{','.join(self.topics)}|{self.locale}|{self.format}"


@dataclass(frozen=True, slots=True)
class Rendition:
    """The issue composed for one key. ``html`` and ``text`` still hold slots (see `text.slots`)."""

    id: int
    issue_id: int
    key: RenditionKey
    subject: str
    html: str
    text: str
