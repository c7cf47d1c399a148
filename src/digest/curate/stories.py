"""Which articles tell one story: copies first, then what is alike enough, by average link.

Two steps (collection.md 2.4). Copies: at least 0.6 of the shorter text's five-word runs stand in the other, or two
sources have one headline. Stories: clusters merge while their average likeness is at least `_SAME`; then what is
left alone or in twos joins the larger story it is by far most like. A story keeps its id, the lowest article id of
those that began it; it may swallow a younger story that turns out to be the same, and is never split.

Pure and independent of the order of the input. Only pairs that share telling terms are looked at.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from digest.curate.likeness import Likeness
from digest.text.shingles import containment, shingles

#: Average likeness of two clusters from which on they are one story. One value for BASIL, ECB+ and newsrooms.
_SAME = 0.16
#: One or two articles join a larger story from this average likeness on, if no other story comes near it. Three that
#: agree are an event of their own: joining them, too, costs .06 of BASIL's F1.
_NEAR = 0.09
_BY_FAR = 1.5
_FEW = 2
#: Pairs less alike than this hold no copies: a text of which 0.6 stands in another shares its telling words, too.
_MAYBE_COPY = 0.15

_COPY = 0.6
#: Between these the runs are counted again as they were printed. Making both apostrophes one finds a client's edition
#: of a report, but lifts a long quotation by up to .14, and over the line (docs/decisions/0026).
_IN_DOUBT, _SURE = 0.55, 0.75
_ENOUGH_RUNS = 12
#: A run in so many articles of one source is its furniture; nobody prints one report that often.
_FURNITURE_FROM = 4
_ENOUGH_TITLE_WORDS = 3
_MAX_CHARS = 40_000
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of an article, to find copies by."""

    article_id: int
    source_id: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Stories:
    """Where new articles belong: article id → story id, and story id → the older story that it was found to be."""

    of: Mapping[int, int]
    swallowed: Mapping[int, int] = field(default_factory=dict)


def maybe_copies(likeness: Likeness) -> list[tuple[int, int]]:
    """The pairs (new article, other) that `copies` has to look at."""
    return sorted([*likeness.untold, *(pair for pair, value in likeness.pairs.items() if value >= _MAYBE_COPY)])


def copies(pairs: Iterable[tuple[int, int]], wordings: Sequence[Wording]) -> dict[int, int]:
    """Article id → the lowest id of its group of copies, for those that are copies; the lowest itself is left out.

    ``pairs`` are looked at for their texts; equal headlines are found here.
    """
    runs = _Runs(wordings)
    groups = _Groups()
    for one, other in _same_headline(wordings):
        groups.join(one, other)
    for one, other in pairs:
        if runs.are_copies(one, other):
            groups.join(one, other)
    return {key: root for key in sorted(groups.parent) if (root := groups.root(key)) != key}


def is_copy(
    one: frozenset[str], other: frozenset[str], as_printed: Callable[[], tuple[frozenset[str], frozenset[str]]]
) -> bool:
    """Whether two sets of five-word runs are of one report; few runs prove nothing.

    ``as_printed`` gives the two sets of what was printed to the letter, which decide where it is doubtful.
    """
    if min(len(one), len(other)) < _ENOUGH_RUNS:
        return False
    share = containment(one, other)
    return containment(*as_printed()) >= _COPY if _IN_DOUBT <= share < _SURE else share >= _SURE


class _Runs:
    """The five-word runs of articles without the furniture of their sources: what stands in several of its articles."""

    def __init__(self, wordings: Sequence[Wording], *, as_printed: bool = False) -> None:
        self.of = {one.article_id: shingles(one.text[:_MAX_CHARS], as_printed=as_printed) for one in wordings}
        by_source: dict[int, Counter[str]] = defaultdict(Counter)
        for one in wordings:
            by_source[one.source_id].update(self.of[one.article_id])
        self._furniture = {
            source: found
            for source, counted in by_source.items()
            if (found := {run for run, times in counted.items() if times >= _FURNITURE_FROM})
        }
        for one in wordings:
            self.of[one.article_id] -= self._furniture.get(one.source_id, set())
        self._wordings = {one.article_id: one for one in wordings}
        self._printed: dict[int, frozenset[str]] = {}

    def are_copies(self, one: int, other: int) -> bool:
        """Whether two of the articles are of one report."""
        if one not in self.of or other not in self.of:
            return False
        return is_copy(self.of[one], self.of[other], lambda: (self._as_printed(one), self._as_printed(other)))

    def _as_printed(self, article_id: int) -> frozenset[str]:
        """Read only for the few pairs that are doubtful; with its neighbours where its source has furniture."""
        if article_id not in self._printed:
            asked = self._wordings[article_id]
            has_furniture = asked.source_id in self._furniture
            read = [one for one in self._wordings.values() if one.source_id == asked.source_id and has_furniture]
            self._printed |= _Runs(read or [asked], as_printed=True).of
        return self._printed[article_id]


def _same_headline(wordings: Sequence[Wording]) -> Iterable[tuple[int, int]]:
    """Articles of different sources under one headline; within a source the same headline is a column."""
    holders: dict[tuple[str, ...], list[Wording]] = defaultdict(list)
    for wording in sorted(wordings, key=lambda one: one.article_id):
        words = tuple(_WORDS.findall(wording.title.casefold()))
        if len(words) >= _ENOUGH_TITLE_WORDS:
            holders[words].append(wording)
    for same in holders.values():
        yield from ((same[0].article_id, one.article_id) for one in same[1:] if one.source_id != same[0].source_id)


class _Groups:
    """Disjoint groups of ids, each known by its lowest."""

    def __init__(self) -> None:
        self.parent: dict[int, int] = {}

    def root(self, key: int) -> int:
        while (above := self.parent.setdefault(key, key)) != key:
            self.parent[key] = self.parent[above]
            key = above
        return key

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self.parent[high] = low


def gather(
    new: Iterable[int],
    likeness: Likeness,
    *,
    known: Mapping[int, int] | None = None,
    copy_of: Mapping[int, int] | None = None,
) -> Stories:
    """Put new articles into the stories there are, or begin some. ``known``: article id → story id."""
    known = known or {}
    work = _Clusters(sorted(set(new) - known.keys()), likeness, known)
    for one, other in sorted((copy_of or {}).items()):
        work.unite(one, other)
    work.link()
    work.agglomerate()
    work.attach_small()
    return work.result()


def _last(into: Mapping[int, int], cluster: int) -> int:
    while cluster in into:
        cluster = into[cluster]
    return cluster


class _Clusters:
    """Clusters by a number of their own; every union makes a new number, so that old heap entries show their age."""

    def __init__(self, new: Sequence[int], likeness: Likeness, known: Mapping[int, int]) -> None:
        self._new = new
        self._likeness = likeness
        self._known = known
        self._members: dict[int, list[int]] = {}
        self._links: dict[int, dict[int, float]] = {}
        self._cluster_of: dict[int, int] = {}
        self._story_of: dict[int, int] = {}
        self._count = 0
        stories: dict[int, list[int]] = defaultdict(list)
        for article, story in sorted(known.items()):
            stories[story].append(article)
        for members in [*(stories[story] for story in sorted(stories)), *([article] for article in new)]:
            self._make(members)

    def unite(self, one: int, other: int) -> None:
        """Make one cluster of a new article and its original, before anything is compared."""
        if one not in self._cluster_of or other not in self._cluster_of:
            return
        a, b = self._cluster_of[one], self._cluster_of[other]
        if a != b and not (self._story(a) and self._story(b)):  # a text copied into two stories does not join them
            self._make(self._members.pop(a) + self._members.pop(b))

    def link(self) -> None:
        """Sum the likeness between clusters."""
        links: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for (one, other), value in self._likeness.pairs.items():
            a, b = self._cluster_of.get(one), self._cluster_of.get(other)
            if a is not None and b is not None and a != b:
                links[a][b] += value
                links[b][a] += value
        self._links = {key: dict(found) for key, found in links.items()}
        self._link_stories()

    def _link_stories(self) -> None:
        """Compare two stories of old only where something new is near both."""
        pairs: set[tuple[int, int]] = set()
        for article in self._new:
            cluster = self._cluster_of[article]
            near = sorted(
                other
                for other in self._links.get(cluster, {})
                if self._story(other) and self._average(cluster, other) >= _SAME / 2
            )
            pairs.update((a, b) for place, a in enumerate(near) for b in near[place + 1 :])
        for a, b in sorted(pairs):
            total = sum(self._likeness.between(one, other) for one in self._members[a] for other in self._members[b])
            self._links[a][b] = self._links[b][a] = total

    def agglomerate(self) -> None:
        """Merge the two clusters that are most alike until none are alike enough."""
        heap = [entry for a in self._links for b in self._links[a] if a < b and (entry := self._entry(a, b))]
        heapq.heapify(heap)
        while heap:
            *_, a, b = heapq.heappop(heap)
            if a not in self._members or b not in self._members:
                continue
            merged = self._merge(a, b)
            for other in self._links[merged]:
                if entry := self._entry(merged, other):
                    heapq.heappush(heap, entry)

    def attach_small(self) -> None:
        """Let new articles that are still alone or in twos join the story they are by far most like.

        Again until none does: who joins may be what the next one is like.
        """
        while chosen := self._choices():
            into: dict[int, int] = {}
            for small, story in chosen:
                a, b = _last(into, small), _last(into, story)  # two may have chosen one story, or one the other
                into[a] = into[b] = self._merge(a, b)

    def _choices(self) -> list[tuple[int, int]]:
        """(small cluster of new articles, the story it joins), by the number of the cluster."""
        chosen: list[tuple[int, int]] = []
        for cluster in sorted({self._cluster_of[article] for article in self._new}):
            size = len(self._members[cluster])
            if size > _FEW or self._story(cluster):
                continue
            ranked = sorted(
                (
                    (self._average(cluster, other), -self._label(other), other)
                    for other in self._links.get(cluster, {})
                    if len(self._members[other]) > size
                ),
                reverse=True,
            )
            runner_up = ranked[1][0] if len(ranked) > 1 else 0.0
            if ranked and ranked[0][0] >= max(_NEAR, _BY_FAR * runner_up):
                chosen.append((cluster, ranked[0][2]))
        return chosen

    def result(self) -> Stories:
        """Where everything new is, and which stories became one."""
        of = {article: self._label(self._cluster_of[article]) for article in self._new}
        stories = {article: self._label(self._cluster_of[article]) for article in self._known}
        swallowed = {story: stories[one] for one, story in self._known.items() if stories[one] != story}
        return Stories(of, swallowed)

    def _make(self, members: list[int]) -> int:
        self._count += 1
        self._members[self._count] = members
        self._cluster_of.update((article, self._count) for article in members)
        self._story_of[self._count] = min((self._known[one] for one in members if one in self._known), default=0)
        return self._count

    def _merge(self, a: int, b: int) -> int:
        mine, others = self._links.pop(a), self._links.pop(b)
        merged = self._make(self._members.pop(a) + self._members.pop(b))
        links = {other: mine.get(other, 0.0) + others.get(other, 0.0) for other in {*mine, *others} - {a, b}}
        self._links[merged] = links
        for other, total in links.items():
            theirs = self._links[other]
            theirs.pop(a, None)
            theirs.pop(b, None)
            theirs[merged] = total
        return merged

    def _average(self, a: int, b: int) -> float:
        return self._links[a][b] / (len(self._members[a]) * len(self._members[b]))

    def _entry(self, a: int, b: int) -> tuple[float, int, int, int, int] | None:
        """A place in the heap for two clusters that are alike enough; equals are taken by their ids."""
        average = self._average(a, b)
        if average < _SAME:
            return None
        low, high = sorted((self._label(a), self._label(b)))
        return (-average, low, high, a, b)

    def _label(self, cluster: int) -> int:
        return self._story(cluster) or min(self._members[cluster])

    def _story(self, cluster: int) -> int:
        """The oldest story in a cluster; 0 when all of it is new."""
        return self._story_of[cluster]
