"""How much a story deserves to be read today, as a sum of parts a person can check."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from digest.model.article import Article

_HALF_LIFE_H = 12.0


def parts(
    story: Sequence[Article], leader: Article, *, weights: Mapping[int, float], now: datetime
) -> dict[str, float]:
    """The parts of a story's score; their sum is the score.

    freshness: 1 now, half after 12 h · weight: the source's own, 1 by default · breadth: log2 of the number of
    sources that carry it · prominence: 1 for the first place in its feed, falling · picture: 0.1 if there is one.
    """
    age_h = max(0.0, (now - published(leader, now=now)).total_seconds() / 3600)
    sources = {source for article in story for source in (article.sources or (article.source_id,))}
    return {
        "freshness": round(0.5 ** (age_h / _HALF_LIFE_H), 4),
        "weight": round(weights.get(leader.source_id, 1.0), 4),
        "breadth": round(math.log2(max(1, len(sources))), 4),
        "prominence": round(1 / (1 + min(article.position for article in story)), 4),
        "picture": 0.1 if leader.image_url else 0.0,
    }


def published(article: Article, *, now: datetime) -> datetime:
    """When it was published, for ranking: first seen where the date is missing or in the future (F18)."""
    if article.published_at is None or article.published_at > now:
        return min(article.first_seen_at, now)
    return article.published_at
