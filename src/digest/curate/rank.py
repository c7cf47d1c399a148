"""The order of stories in an issue: worth by itself, less for every story of the same source or topic before it.

Greedy, best first (maximal marginal relevance with sources and topics for likeness). What is taken off only grows
while the issue fills, so a heap with late corrections gives the same as comparing all with all at every step.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: Taken off for each story of the same source before it, and for each of its topic beyond a fair share.
_SAME_SOURCE = 0.15
_CROWDED_TOPIC = 0.25
_FEWEST_OF_SOURCE = 2


@dataclass(frozen=True, slots=True)
class Contender:
    """A story before it is ranked. ``key`` breaks ties (lower first); ``source`` is the leader's.

    ``topic`` is "" for a section that is no topic of the publication: what papers call their pages needs no balance.
    """

    key: int
    source: int
    section: str
    parts: Mapping[str, float]
    topic: str = ""
    is_pinned: bool = False
    is_capped: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """``of_source``: at most so many stories of one source, None a fair share; ``of_section`` None: any number."""

    items: int
    fewest: int = 1
    of_source: int | None = None
    of_section: int | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A story in its place. ``held_back`` says which limit kept it out; it is empty for what was taken in order."""

    key: int
    parts: Mapping[str, float]
    held_back: str = ""

    @property
    def score(self) -> float:
        """The sum of its parts."""
        return round(sum(self.parts.values()), 4)


def rank(contenders: Iterable[Contender], limits: Limits) -> tuple[list[Ranked], list[Ranked]]:
    """(taken, left out): both best first, and together all of them."""
    field = sorted(contenders, key=lambda one: one.key)
    draft = _Draft(field, limits)
    taken: list[Ranked] = []
    held: list[Ranked] = []
    heap = [(-draft.ranked(one).score, one.key, one) for one in field]
    heapq.heapify(heap)
    while heap:
        noted, key, one = heapq.heappop(heap)
        now = draft.ranked(one)
        if heap and (-now.score, key) > heap[0][:2] and -now.score != noted:
            heapq.heappush(heap, (-now.score, key, one))
            continue
        if len(taken) < limits.items and (refusal := draft.refusal(one)):
            held.append(Ranked(key, now.parts, refusal))
            continue
        if len(taken) < limits.items:
            taken.append(now)
            draft.take(one)
        else:
            held.append(now)
    return _refilled(taken, held, field, limits)


def _refilled(
    taken: list[Ranked], held: list[Ranked], field: Sequence[Contender], limits: Limits
) -> tuple[list[Ranked], list[Ranked]]:
    """A fair share yields where an issue would else be too short; limits that an operator set do not."""
    held.sort(key=lambda one: (-one.score, one.key))
    if limits.of_source is None and len(taken) < limits.fewest:
        section = {one.key: one.section for one in field}
        filled = Counter(section[one.key] for one in taken)
        for one in list(held):
            is_full = limits.of_section is not None and filled[section[one.key]] >= limits.of_section
            if len(taken) < min(limits.fewest, limits.items) and not is_full:
                held.remove(one)
                taken.append(Ranked(one.key, one.parts))
                filled[section[one.key]] += 1
        taken.sort(key=lambda one: (-one.score, one.key))
    return taken, held


class _Draft:
    """The issue so far: how many stories each source and section has in it."""

    def __init__(self, field: Sequence[Contender], limits: Limits) -> None:
        self._limits = limits
        self._sources: Counter[int] = Counter()
        self._sections: Counter[str] = Counter()
        self._topics: Counter[str] = Counter()
        sources = len({one.source for one in field})
        topics = len({one.topic for one in field} - {""})
        self._several_sources = sources > 1
        self._fair_topic = math.ceil(limits.items / topics) if topics > 1 else limits.items
        fair = max(_FEWEST_OF_SOURCE, math.ceil(limits.items * 2 / (sources + 1)))
        self._of_source = fair if limits.of_source is None else limits.of_source

    def ranked(self, one: Contender) -> Ranked:
        """The story with what the issue so far takes off."""
        parts = dict(one.parts)
        if not one.is_pinned:
            if self._several_sources:
                parts["diversity"] = round(-_SAME_SOURCE * self._sources[one.source], 4) or 0.0
            if one.topic:
                crowd = max(0, self._topics[one.topic] + 1 - self._fair_topic)
                parts["balance"] = round(-_CROWDED_TOPIC * crowd, 4) or 0.0
        return Ranked(one.key, parts)

    def refusal(self, one: Contender) -> str:
        """Which limit keeps the story out of the issue as it stands; "" for none."""
        if one.is_pinned:
            return ""
        if (one.is_capped or self._limits.of_source is not None) and self._sources[one.source] >= self._of_source:
            return "source"
        of_section = self._limits.of_section
        if of_section is not None and self._sections[one.section] >= of_section:
            return "section"
        return ""

    @property
    def of_source(self) -> int:
        """How many stories of one source the issue takes."""
        return self._of_source

    def take(self, one: Contender) -> None:
        """Count a story in."""
        self._sources[one.source] += 1
        self._sections[one.section] += 1
        self._topics[one.topic] += 1


def share_of_source(contenders: Sequence[Contender], limits: Limits) -> int:
    """How many stories of one source an issue takes."""
    return _Draft(contenders, limits).of_source
