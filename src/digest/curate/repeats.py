"""A story that an earlier issue carried is carried again only when there is news of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from digest.curate.leading import Member
from digest.curate.score import published
from digest.model.story import Carried

_ENOUGH_SOURCES = 2


def news_of(story: Sequence[Member], carried: Carried, *, own: set[int], now: datetime) -> list[Member]:
    """The articles that make it news again; none: it was carried, and that is that.

    News is a new report (no copy of a known one) that was published after that issue was put together, and comes
    from the outlet whose report was carried (nobody tells the same news twice), or from at least two sources. An
    outlet that is merely late tells what readers have read. What an operator added or put into a folder is news.
    """
    here = {member.article.id for member in story}
    reports = [
        member for member in story if member.report in here and published(member.article, now=now) > carried.curated_at
    ]
    meant = [member for member in story if own.intersection(member.article.sources or (member.article.source_id,))]
    sources = {member.article.source_id for member in reports}
    if carried.source_id in sources or len(sources) >= _ENOUGH_SOURCES:
        return [member for member in story if member in reports or member in meant]
    return meant


def sentence(carried: Carried, *, is_newer: bool) -> str:
    """Why it is left out, for the record."""
    when = f"the issue of {carried.period_start} carried this story ({carried.source_title})"
    return f"{when}, and one more source is no news of it" if is_newer else f"{when}, and this was published before it"
