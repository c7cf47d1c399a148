"""How much a story deserves to be read today, as a sum of parts a person can check."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from digest.model.article import Article

_HALF_LIFE_H = 12.0
#: Somebody who prints an agency's text confirms that it matters, but not what it says.
_COPY_COUNTS = 0.25
#: An editor's word outweighs everything.
PIN = 10.0


class Told(Protocol):
    """An article of a story; those with one ``report`` are copies of each other."""

    @property
    def article(self) -> Article:
        """The article."""
        ...

    @property
    def report(self) -> int:
        """The same for copies."""
        ...


def parts(
    story: Sequence[Told], leader: Article, *, weights: Mapping[int, float], now: datetime, is_pinned: bool = False
) -> dict[str, float]:
    """What a story is worth by itself; `curate.rank` adds what depends on the rest of the issue.

    freshness: 1 now, half after 12 h · weight: the source's own, 1 by default · breadth: log2 of the sources that
    report it, a source with a mere copy counting a quarter · prominence: 0.5 for the first place in its feed, falling ·
    picture: 0.1 if there is one · pin: 10 if an editor pinned it.
    """
    age_h = max(0.0, (now - published(leader, now=now)).total_seconds() / 3600)
    found = {
        "freshness": round(0.5 ** (age_h / _HALF_LIFE_H), 4),
        "weight": round(weights.get(leader.source_id, 1.0), 4),
        "breadth": round(math.log2(max(1.0, coverage(story))), 4),
        "prominence": round(0.5 / (1 + min(one.article.position for one in story)), 4),
        "picture": 0.1 if leader.image_url else 0.0,
    }
    return {**found, "pin": PIN} if is_pinned else found


def coverage(story: Sequence[Told]) -> float:
    """How many sources report it: 1 for each with a report of its own, a quarter for each that has only a copy."""
    everywhere = {source for one in story for source in (one.article.sources or (one.article.source_id,))}
    own: set[int] = set()
    reports: set[int] = set()
    for one in sorted(story, key=lambda one: one.article.id):
        if one.report not in reports and one.article.source_id not in own:
            own.add(one.article.source_id)
        reports.add(one.report)
    return len(own) + _COPY_COUNTS * len(everywhere - own)


def published(article: Article, *, now: datetime) -> datetime:
    """When it was published, for ranking: first seen where the date is missing or in the future (F18)."""
    if article.published_at is None or article.published_at > now:
        return min(article.first_seen_at, now)
    return article.published_at
