"""Copies of one report become one story (collection.md 2.4, first of the two steps: wire copies).

Two articles are copies when at least 0.6 of the shorter one's five-word shingles stand in the other, or when
their titles are the same words. Very short texts prove nothing by their shingles, so they need the same title.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from digest.model.article import Article
from digest.text.shingles import containment, shingles

_COPY = 0.6
_ENOUGH_SHINGLES = 12
_WORDS = re.compile(r"\w+")


def group(articles: Sequence[Article]) -> list[list[Article]]:
    """The articles as stories: lists of copies in the given order, stories by their first article."""
    parent = list(range(len(articles)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for one, other in sorted(_copies(articles)):
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    stories: dict[int, list[Article]] = defaultdict(list)
    for index, article in enumerate(articles):
        stories[root(index)].append(article)
    return list(stories.values())


def _copies(articles: Sequence[Article]) -> set[tuple[int, int]]:
    prints = [shingles(article.text) for article in articles]
    titles = [" ".join(_WORDS.findall(article.title.casefold())) for article in articles]
    pairs: set[tuple[int, int]] = set()
    for same in _buckets(enumerate(titles)):
        pairs.update((same[0], other) for other in same[1:] if titles[same[0]])
    sharing: set[tuple[int, int]] = set()
    for holders in _buckets((i, s) for i, items in enumerate(prints) for s in items):
        # Only pairs that share a shingle are compared: no n × n matrix.
        for position, one in enumerate(holders):
            sharing.update((one, other) for other in holders[position + 1 :])
    for one, other in sharing:
        if min(len(prints[one]), len(prints[other])) < _ENOUGH_SHINGLES:
            continue
        if containment(prints[one], prints[other]) >= _COPY:
            pairs.add((one, other))
    return pairs


def _buckets(labelled: Iterable[tuple[int, str]]) -> Iterable[list[int]]:
    holders: dict[str, list[int]] = defaultdict(list)
    for index, label in labelled:
        holders[label].append(index)
    return (indexes for indexes in holders.values() if len(indexes) > 1)
