"""A story: the articles of one event, as issues see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where an article belongs: its story, and the lowest id among the copies of its report (None: it has none)."""

    story_id: int
    copy_of: int | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """A story as an earlier issue carried it: by which article. ``curated_at`` is the end of that issue's window."""

    story_id: int
    issue_id: int
    period_start: date
    curated_at: datetime
    article_id: int
    source_id: int
    source_title: str
