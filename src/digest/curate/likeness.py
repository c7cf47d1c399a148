"""How alike articles are: TF-IDF cosines of what they say, how they begin and how they are headed.

The likeness of two articles is a weighted sum of three cosines, one for each `Field` of `text.terms`; that is the
cosine of one long vector, so one inverted index serves all. A term weighs ``(1 + ln count) · ln(articles / articles
with the term)``, counted over the last month of the article's own language: where French is rare, "le" must not look
like a rare word. Nothing is compared that shares no telling term, and no n × n matrix is made.

Chosen with one setting for all of BASIL, ECB+ and a newsroom's day; F1 of pairs in one story, plain TF-IDF of all words
at its own best threshold in brackets: BASIL .96 (.86), ECB+ .85 (.80). docs/decisions/0026, `make bench-collect`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from digest.text.terms import Field, TermCounts

#: What the three cosines weigh; they sum to 1.
_WEIGHTS = {Field.TEXT: 0.4, Field.LEAD: 0.45, Field.TITLE: 0.15}
#: With fewer articles of a language "rare" means nothing: only copies are told then.
_ENOUGH_ARTICLES = 20
#: What stands in more than a quarter of all articles tells nothing.
_COMMON_SHARE = 0.25
#: Fewer telling terms than this ("Photos", "Letters") prove nothing.
_ENOUGH_TERMS = 4
#: Likeness below this is chance.
_FLOOR = 0.02
#: From so many articles on, what more than three in a hundred have is compared but finds nothing, and in any number
#: what more than 500 have: half the time for a day against a month, and no square for tens of thousands at once.
_MANY_ARTICLES = 1_000
_TELLING_SHARE = 0.03
_TELLING_ARTICLES = 500
_TELLING_FLOOR = 0.04
#: What stands in more than half of a source's articles is its furniture ("Sign up to our letter"), from so many on.
_ENOUGH_OF_SOURCE = 8
_TF = tuple(1 + math.log(count) if count else 0.0 for count in range(256))


@dataclass(frozen=True, slots=True)
class Print:
    """What is kept of an article to tell its story. ``language`` is a primary subtag such as ``en``, or ``""``."""

    article_id: int
    source_id: int
    language: str
    terms: TermCounts


@dataclass(slots=True)
class Frequencies:
    """Language → number of articles, and for each key of a term how many of them have it."""

    articles: Counter[str] = field(default_factory=Counter)
    terms: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, prints: Iterable[Print]) -> None:
        """Count articles in."""
        for one in prints:
            self.articles[one.language] += 1
            self.terms[one.language].update(one.terms.keys)


@dataclass(frozen=True, slots=True)
class Vector:
    """Key of a term → its share of the vector; ``common`` apart, which in a large collection nothing is found by."""

    telling: Mapping[int, float]
    common: Mapping[int, float]


_NOTHING = Vector({}, {})


class Likeness:
    """The likeness of new articles to each other and to known ones: 0 (nothing shared) to 1 (the same words).

    ``pairs``: (id of a new article, id of another) → likeness, where there is some; an unordered pair stands once.
    ``untold``: the pairs in languages with too few articles to tell.
    """

    def __init__(self, new: Sequence[Print], known: Sequence[Print], frequencies: Frequencies) -> None:
        self._scale = _Scale(frequencies, _furniture([*known, *new]))
        self._prints = {one.article_id: one for one in (*known, *new)}
        self._vectors: dict[int, Vector] = {}
        self._headings: dict[int, list[int]] = {}
        self.pairs: dict[tuple[int, int], float] = {}
        self.untold = self._untold(new, frequencies)
        index: dict[int, list[tuple[int, float]]] = defaultdict(list)
        fresh = {one.article_id for one in new}
        for one in sorted(new, key=lambda one: one.article_id):
            vector = self._vector(one.article_id)
            self._note(one, vector, index)
            for key, weight in vector.telling.items():
                index[key].append((one.article_id, weight))
        for one in sorted(known, key=lambda one: one.article_id):
            if one.article_id not in fresh:
                self._note(one, self._scale.vector(one), index)

    def between(self, one: int, other: int) -> float:
        """The likeness of any two of the articles, known ones too."""
        pair = (one, other) if (one, other) in self.pairs else (other, one)
        if pair in self.pairs:
            return self.pairs[pair]
        a, b = self._vector(one), self._vector(other)
        return self._corrected(one, other, _dot(a.telling, b.telling) + _dot(a.common, b.common))

    def _untold(self, new: Sequence[Print], frequencies: Frequencies) -> list[tuple[int, int]]:
        few = [one for one in self._prints.values() if frequencies.articles.get(one.language, 0) < _ENOUGH_ARTICLES]
        fresh = {one.article_id for one in new}
        return sorted(
            (one.article_id, other.article_id)
            for one in few
            for other in few
            if one.article_id in fresh and (one.article_id < other.article_id or other.article_id not in fresh)
        )

    def _note(self, one: Print, vector: Vector, index: Mapping[int, Sequence[tuple[int, float]]]) -> None:
        sums: dict[int, float] = defaultdict(float)
        for key, weight in vector.telling.items():
            for other, its_weight in index.get(key, ()):
                sums[other] += weight * its_weight
        for other, telling in sums.items():
            if telling < (_TELLING_FLOOR if vector.common else _FLOOR):
                continue
            found = telling + _dot(vector.common, self._vectors[other].common)
            if (value := self._corrected(other, one.article_id, found)) >= _FLOOR:
                self.pairs[other, one.article_id] = value

    def _vector(self, article_id: int) -> Vector:
        if article_id not in self._vectors:
            self._vectors[article_id] = self._scale.vector(self._prints[article_id])
        return self._vectors[article_id]

    def _corrected(self, one: int, other: int, value: float) -> float:
        """The same headline in the same source again is a column ("The weather today"), which says nothing."""
        is_one_source = self._prints[one].source_id == self._prints[other].source_id
        if is_one_source and self._heading(one) == self._heading(other):
            return max(0.0, value - _WEIGHTS[Field.TITLE])
        return value

    def _heading(self, article_id: int) -> list[int]:
        if article_id not in self._headings:
            keys = self._prints[article_id].terms.keys
            self._headings[article_id] = [key for key in keys if key & 3 == Field.TITLE]
        return self._headings[article_id]


def _dot(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    if len(other) < len(one):
        one, other = other, one
    return sum([weight * other[key] for key, weight in one.items() if key in other])


def _furniture(prints: Iterable[Print]) -> dict[int, frozenset[int]]:
    """Source id → keys that most of its articles have."""
    articles: Counter[int] = Counter()
    terms: dict[int, Counter[int]] = defaultdict(Counter)
    for one in prints:
        articles[one.source_id] += 1
        terms[one.source_id].update(one.terms.keys)
    return {
        source: frozenset(key for key, having in terms[source].items() if 2 * having > total)
        for source, total in articles.items()
        if total >= _ENOUGH_OF_SOURCE
    }


class _Scale:
    """What terms weigh, from how many articles have them."""

    def __init__(self, frequencies: Frequencies, furniture: Mapping[int, frozenset[int]]) -> None:
        self._frequencies = frequencies
        self._furniture = furniture
        self._weights: dict[str, dict[int, float]] = defaultdict(dict)

    def vector(self, one: Print) -> Vector:
        """The vector of an article, of length 1 at most; empty when it has too little to go by."""
        total = self._frequencies.articles.get(one.language, 0)
        if total < _ENOUGH_ARTICLES:
            return _NOTHING
        having = self._frequencies.terms[one.language]
        known = self._weights[one.language]
        most = total * _COMMON_SHARE
        idle = self._furniture.get(one.source_id, frozenset())
        parts: tuple[dict[int, float], ...] = ({}, {}, {})
        for key, count in zip(one.terms.keys, one.terms.counts, strict=True):
            weight = known.get(key)
            if weight is None:
                times = having.get(key, 1)
                known[key] = weight = math.log(total / times) if times <= most else 0.0
            if weight and key not in idle:
                parts[key & 3][key] = _TF[count] * weight
        if len(parts[Field.TEXT]) < _ENOUGH_TERMS:
            return _NOTHING
        return self._scaled(parts, known, total)

    def _scaled(self, parts: Sequence[Mapping[int, float]], known: Mapping[int, float], total: int) -> Vector:
        telling: dict[int, float] = {}
        common: dict[int, float] = {}
        most = min(total * _TELLING_SHARE, _TELLING_ARTICLES) if total >= _MANY_ARTICLES else total
        least = math.log(total / most)
        for part, share in _WEIGHTS.items():
            values = parts[part]
            scale = math.sqrt(share / (sum([value * value for value in values.values()]) or 1.0))
            for key, value in values.items():
                (telling if known[key] >= least else common)[key] = value * scale
        return Vector(telling, common)
