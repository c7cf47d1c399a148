"""Which article of a story leads, and where else it can be read."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.curate.score import published
from digest.model.article import Article
from digest.model.story import Place

#: Own reporting leads over an agency's text from so many words on; a teaser does not.
_A_REPORT_WORDS = 80
#: Texts within a quarter of each other are equally full.
_FULLER = math.log(1.25)
#: A credit stands at the head or the foot of a text.
_CREDIT_CHARS = 160
_SHORTEST_CREDIT = 3


@dataclass(frozen=True, slots=True)
class Member:
    """An article in its story. ``report`` is the same for copies of one report; ``is_copy``: there are several."""

    article: Article
    report: int
    is_copy: bool


def members(articles: Sequence[Article], places: Mapping[int, Place]) -> list[Member]:
    """The articles with the report that each gives, in the given order."""
    reports = {article.id: _report(article, places) for article in articles}
    size = Counter(reports.values())
    return [Member(one, reports[one.id], size[reports[one.id]] > 1) for one in articles]


def _report(article: Article, places: Mapping[int, Place]) -> int:
    place = places.get(article.id)
    return article.id if place is None or place.copy_of is None else place.copy_of


def in_order(
    story: Sequence[Member], *, weights: Mapping[int, float], pinned: Collection[int], now: datetime
) -> list[Member]:
    """The members of a story, best first.

    Before all what an editor pinned; then own reporting before copies, and among the copies of one report the one
    that the others credit (the agency); then the weightier source, the fuller text, the earlier, the one with a
    picture, the one seen first.
    """
    credited = _credited(story)

    def key(member: Member) -> tuple[bool, bool, bool, float, int, datetime, bool, int]:
        article = member.article
        is_own = not member.is_copy and article.word_count >= _A_REPORT_WORDS
        return (
            article.id not in pinned,
            not is_own,
            article.id not in credited,
            -weights.get(article.source_id, 1.0),
            -round(math.log(max(1, article.word_count)) / _FULLER),
            published(article, now=now),
            not article.image_url,
            article.id,
        )

    return sorted(story, key=key)


def _credited(story: Sequence[Member]) -> set[int]:
    """Copies whose source another copy of the report names at its head, at its foot or as its author."""
    reports: dict[int, list[Article]] = defaultdict(list)
    for member in story:
        if member.is_copy:
            reports[member.report].append(member.article)
    found: set[int] = set()
    for copies in reports.values():
        said_in = {
            one.id: f"{one.author or ''}\n{one.text[:_CREDIT_CHARS]}\n{one.text[-_CREDIT_CHARS:]}" for one in copies
        }
        for one in copies:
            name = one.source_title.strip()
            others = (said for key, said in said_in.items() if key != one.id)
            if len(name) >= _SHORTEST_CREDIT and any(name in said for said in others):
                found.add(one.id)
    return found


def also_at(leader: Article, others: Sequence[Member]) -> tuple[tuple[str, str], ...]:
    """(source title, address) of the other articles, best first, one a source and none of the leader's."""
    found: dict[str, str] = {}
    for member in others:
        title = member.article.source_title
        if member.article.url and title != leader.source_title:
            found.setdefault(title, member.article.url)
    return tuple(found.items())
