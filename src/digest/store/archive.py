"""What the web shows of what was sent: issues that went out, newest first, found by number or by words.

Rules: only issues that readers got are here, whatever an address asks for. Words are looked for in the text of the
web view, which holds nothing personal; every word must be there, at the beginning of a word or inside one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, func, select

from digest.model.issue import IssueState
from digest.store.engine import Tx
from digest.store.renditions import WEB
from digest.store.tables import issue, rendition

#: Its readers got it, or are getting it.
PUBLIC_STATES = frozenset({IssueState.SENDING, IssueState.PAUSED, IssueState.SENT})
_PUBLISHED = issue.c.state.in_([state.value for state in PUBLIC_STATES])


@dataclass(frozen=True, slots=True)
class Published:
    """An issue as a list names it. ``day`` is the local day it was for, ``sent_at`` when it began to go out."""

    id: int
    number: int
    day: date
    sent_at: datetime
    subject: str
    preheader: str


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The issues before and after one, None at either end."""

    earlier: Published | None
    later: Published | None


def listed(
    tx: Tx, publication_id: int, *, words: Sequence[str] = (), before: int | None = None, limit: int
) -> list[Published]:
    """At most ``limit`` published issues, newest first, below number ``before``, that hold all ``words`` (folded)."""
    query = _select(publication_id).order_by(issue.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(issue.c.number < before)
    if words:
        query = query.join(rendition, rendition.c.issue_id == issue.c.id).where(
            rendition.c.format == WEB,
            rendition.c.retired_at.is_(None),
            *(rendition.c.search_text.contains(word, autoescape=True) for word in words),
        )
    return [_published(row) for row in tx.connection.execute(query)]


def neighbours(tx: Tx, publication_id: int, number: int) -> Neighbours:
    """The published issues next to ``number``."""
    earlier = _select(publication_id).where(issue.c.number < number).order_by(issue.c.number.desc()).limit(1)
    later = _select(publication_id).where(issue.c.number > number).order_by(issue.c.number).limit(1)
    one, other = (tx.connection.execute(query).one_or_none() for query in (earlier, later))
    return Neighbours(_published(one) if one else None, _published(other) if other else None)


def _select(publication_id: int) -> Select[Any]:
    return select(
        issue.c.id,
        issue.c.number,
        issue.c.period_start,
        func.coalesce(issue.c.sending_at, issue.c.created_at).label("sent_at"),
        issue.c.subject,
        issue.c.preheader,
    ).where(issue.c.publication_id == publication_id, issue.c.number.is_not(None), _PUBLISHED)


def _published(row: Row[Any]) -> Published:
    return Published(row.id, row.number, row.period_start, row.sent_at, row.subject or "", row.preheader or "")
