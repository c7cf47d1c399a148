"""Telling stories: wire copies, same story, clusters, and what it costs, beside TF-IDF, MinHash and headline matching.

One setting of ours serves all sets. The others get the threshold that is best for them on the very set that is
measured, which flatters them. A set that is not in the folder is left out.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import combinations
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz
from rensa import RMinHash
from sqlalchemy import insert

from bench.collect.rows import Row
from digest.app import stories as joining
from digest.curate.likeness import Frequencies, Likeness, Print
from digest.curate.stories import Stories, Wording, copies, gather, is_copy, maybe_copies
from digest.feeds import webpage
from digest.model.article import SourceKind
from digest.store import migrate, sources
from digest.store import stories as story_store
from digest.store.engine import Store
from digest.store.tables import article
from digest.text import html
from digest.text.shingles import shingles
from digest.text.terms import count_terms

NAME = "stories"
_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_DAY = timedelta(days=1)
Pair = tuple[int, int]


@dataclass(frozen=True)
class Doc:
    """An article of a set; ``story`` is gold."""

    story: Hashable
    source: str
    title: str
    text: str
    language: str = "en"


@dataclass(frozen=True)
class Told:
    """What we made of a set: story and group of copies by place in the set, and milliseconds a document."""

    stories: list[int]
    copy_of: dict[int, int]
    ms: float


def measure(data: Path) -> list[Row]:
    """Every goal of collection.md §4 that is about stories."""
    folder = data / "dups"
    rows = _cost(folder)  # first: `digest run` begins with an empty heap, too
    if (folder / "copies.docs.jsonl").is_file():
        rows += _wire_copies(folder)
    sets: list[tuple[str, Callable[[], list[Doc]], float, float]] = [
        ("BASIL", lambda: _basil(folder), 0.91, 0.0),
        ("ECB+", lambda: _ecb(folder), 0.78, 0.89),
        ("roundups", lambda: _roundups(folder), 0.50, 0.0),
        ("newsroom-day", lambda: _newsroom(data / "newsroom-day"), 0.0, 0.98),
    ]
    for name, read, pairs_goal, clusters_goal in sets:
        docs = read()
        if docs:
            rows += _same_story(name, docs, pairs_goal, clusters_goal)
    return rows


# ── the sets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _records(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _basil(folder: Path) -> list[Doc]:
    return [
        Doc(one["story"], one["source"], one["title"] or "", one["text"])
        for one in _records(folder / "basil_triples.jsonl")
    ]


def _ecb(folder: Path) -> list[Doc]:
    return [
        Doc(one["cluster"], one["url"] or one["id"], one["title"] or "", one["text"])
        for one in _records(folder / "ecbplus.jsonl")
    ]


def _roundups(folder: Path) -> list[Doc]:
    return [
        Doc(one["story"], part["source"], part["title"] or "", part["text"])
        for one in _records(folder / "roundups.jsonl")
        for part in one["articles"]
    ]


def _newsroom(folder: Path) -> list[Doc]:
    """The day as our own reading of its pages gives it."""
    if not (folder / "gold.json").is_file():
        return []
    found: list[Doc] = []
    for one in json.loads((folder / "gold.json").read_text(encoding="utf-8"))["articles"]:
        page = folder / "site" / one["path"].lstrip("/")
        entry = webpage.parse(page.read_text(encoding="utf-8", errors="replace"), one["url"]).entries[0]
        language = (entry.language or one["lang"])[:2].lower()
        found.append(Doc(one["story"], one["outlet"], entry.title, html.to_text(entry.content_html), language))
    return found


# ── ours ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _prints(docs: Sequence[Doc]) -> list[Print]:
    number = {source: key for key, source in enumerate(dict.fromkeys(doc.source for doc in docs))}
    return [
        Print(key, number[doc.source], doc.language, count_terms(doc.title, doc.text))
        for key, doc in enumerate(docs, start=1)
    ]


def _tell(docs: Sequence[Doc]) -> Told:
    began = time.process_time()
    prints = _prints(docs)
    frequencies = Frequencies()
    frequencies.add(prints)
    likeness = Likeness(prints, [], frequencies)
    wordings = [
        Wording(one.article_id, one.source_id, doc.title, doc.text) for one, doc in zip(prints, docs, strict=True)
    ]
    same = copies(maybe_copies(likeness), wordings)
    told = gather([one.article_id for one in prints], likeness, copy_of=same)
    ms = (time.process_time() - began) * 1000 / len(docs)
    return Told([told.of[one.article_id] for one in prints], same, ms)


def _tell_in_parts(docs: Sequence[Doc], parts: int) -> list[int]:
    """The same when the articles come in one part after the other; rarity is told from all, as from a month."""
    prints = _prints(docs)
    frequencies = Frequencies()
    frequencies.add(prints)
    known: dict[int, int] = {}
    for part in range(parts):
        new, old = prints[part::parts], [one for one in prints if one.article_id in known]
        told: Stories = gather([one.article_id for one in new], Likeness(new, old, frequencies), known=dict(known))
        known = {key: told.swallowed.get(story, story) for key, story in known.items()} | dict(told.of)
    return [known[one.article_id] for one in prints]


# ── the others ────────────────────────────────────────────────────────────────────────────────────────────────────


def _plain_tf_idf(docs: Sequence[Doc]) -> dict[Pair, float]:
    """Cosine of all words of headline and text, case-folded: what a first attempt does."""
    counts = [Counter(f"{doc.title} {doc.text}".casefold().split()) for doc in docs]
    having = Counter(word for one in counts for word in one)
    total = len(docs)
    postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for place, one in enumerate(counts):
        weights = {word: (1 + math.log(times)) * math.log(total / having[word]) for word, times in one.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        for word, weight in weights.items():
            if weight:
                postings[word].append((place, weight / length))
    found: dict[Pair, float] = defaultdict(float)
    for holders in postings.values():
        for (one, weight), (other, its_weight) in combinations(holders, 2):
            found[one, other] += weight * its_weight
    return found


def _min_hash(docs: Sequence[Doc]) -> dict[Pair, float]:
    """Estimated Jaccard likeness of five-word runs, 128 permutations."""
    hashes = []
    for doc in docs:
        one = RMinHash(num_perm=128, seed=42)
        one.update(sorted(shingles(doc.text)) or [""])
        hashes.append(one)
    pairs = combinations(range(len(docs)), 2)
    return {(a, b): value for a, b in pairs if (value := hashes[a].jaccard(hashes[b])) > 0}


def _headlines(docs: Sequence[Doc]) -> dict[Pair, float]:
    titles = [(doc.title or doc.text[:80]).casefold() for doc in docs]
    pairs = combinations(range(len(docs)), 2)
    return {(a, b): fuzz.token_set_ratio(titles[a], titles[b], score_cutoff=40) for a, b in pairs}


def _average_link(found: dict[Pair, float], number: int, grid: Sequence[float]) -> Iterator[list[int]]:
    """Plain average-link clusters, cut at each value of a falling grid: always the best merge, until none is left."""
    members = {key: [key] for key in range(number)}
    links: dict[int, dict[int, float]] = defaultdict(dict)
    heap: list[tuple[float, int, int, int, int]] = []
    for (one, other), value in found.items():
        if value > 0.02:
            links[one][other] = links[other][one] = value
            heap.append((-value, one, other, 1, 1))
    heapify(heap)
    for least in grid:
        while heap and -heap[0][0] >= least:
            _, a, b, size_a, size_b = heappop(heap)
            if len(members.get(a, ())) != size_a or len(members.get(b, ())) != size_b:
                continue  # one of them has grown or is gone
            members[a] += members.pop(b)
            for other, total in links.pop(b).items():
                links[other].pop(b)
                if other != a:
                    links[a][other] = links[other][a] = links[a].get(other, 0.0) + total
            for other, total in links[a].items():
                size, its = len(members[a]), len(members[other])
                heappush(heap, (-total / (size * its), a, other, size, its))
        yield [label for _, label in sorted((key, label) for label, keys in members.items() for key in keys)]


# ── scores ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _same_pairs(labels: Sequence[Hashable]) -> int:
    return sum(times * (times - 1) // 2 for times in Counter(labels).values())


def _pair_f1(told: Sequence[Hashable], gold: Sequence[Hashable]) -> float:
    right = _same_pairs(list(zip(told, gold, strict=True)))
    return 2 * right / ((_same_pairs(told) + _same_pairs(gold)) or 1)


def _b_cubed_f1(told: Sequence[Hashable], gold: Sequence[Hashable]) -> float:
    ours, theirs, both = Counter(told), Counter(gold), Counter(zip(told, gold, strict=True))
    precision = sum(both[a, b] / ours[a] for a, b in zip(told, gold, strict=True)) / len(gold)
    recall = sum(both[a, b] / theirs[b] for a, b in zip(told, gold, strict=True)) / len(gold)
    return 2 * precision * recall / (precision + recall)


def _best_pair_f1(found: dict[Pair, float], gold: Sequence[Hashable]) -> float:
    """Of all thresholds the one that gives most."""
    total, right, best = _same_pairs(gold), 0, 0.0
    for taken, ((one, other), _) in enumerate(sorted(found.items(), key=lambda item: -item[1]), start=1):
        right += gold[one] == gold[other]
        best = max(best, 2 * right / (taken + total))
    return best


def _wrong_merges(told: Sequence[Hashable], gold: Sequence[Hashable]) -> float:
    """Share of articles in a story that is mostly about another one, in percent."""
    by_story: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for story, wanted in zip(told, gold, strict=True):
        by_story[story][wanted] += 1
    return 100 * sum(found.total() - max(found.values()) for found in by_story.values()) / len(gold)


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _same_story(name: str, docs: Sequence[Doc], pairs_goal: float, clusters_goal: float) -> list[Row]:
    gold = [doc.story for doc in docs]
    told = _tell(docs)
    plain = _plain_tf_idf(docs)
    rows = []
    if pairs_goal:
        anchors = {
            "TF-IDF": _best_pair_f1(plain, gold),
            "MinHash (rensa)": _best_pair_f1(_min_hash(docs), gold),
            "headlines (rapidfuzz)": _best_pair_f1(_headlines(docs), gold),
        }
        rows.append(
            Row(NAME, f"{name}: pairs in one story, F1", _pair_f1(told.stories, gold), pairs_goal, "", True, anchors)
        )
    if clusters_goal:
        grid = [step / 100 for step in range(26, 6, -2)]
        best = max(_b_cubed_f1(cut, gold) for cut in _average_link(plain, len(docs), grid))
        found = _b_cubed_f1(told.stories, gold)
        rows.append(
            Row(NAME, f"{name}: stories, B-cubed F1", found, clusters_goal, "", True, {"TF-IDF, average link": best})
        )
    if name == "newsroom-day":
        in_parts = _tell_in_parts(docs, 12)
        rows.append(Row(NAME, f"{name}: in a wrong story", _wrong_merges(told.stories, gold), 1, "%", False, {}))
        rows.append(
            Row(
                NAME,
                f"{name}: in 12 parts, B-cubed F1",
                _b_cubed_f1(in_parts, gold),
                clusters_goal - 0.02,
                "",
                True,
                {},
            )
        )
    if name == "ECB+":
        began = time.process_time()
        _min_hash(docs)
        others = {"MinHash (rensa), all pairs": (time.process_time() - began) * 1000 / len(docs)}
        rows.append(Row(NAME, f"{name}: a document, all at once", told.ms, 10, "ms", False, others))
    return rows


def _by_rule(docs: Sequence[Doc]) -> set[Pair]:
    """Of all pairs those that the rule calls copies."""
    runs = [shingles(doc.text) for doc in docs]
    printed = [shingles(doc.text, as_printed=True) for doc in docs]
    return {
        (a, b)
        for a, b in combinations(range(len(docs)), 2)
        if is_copy(runs[a], runs[b], lambda a=a, b=b: (printed[a], printed[b]))
    }


def _wire_copies(folder: Path) -> list[Row]:
    """By the rule on every pair; then what is put into one report, where the sources differ: that is a wire copy."""
    records = list(_records(folder / "copies.docs.jsonl"))
    place = {one["id"]: key for key, one in enumerate(records)}
    gold: dict[Pair, bool] = {}
    for one in _records(folder / "copies.pairs.jsonl"):
        if one["label"] == "copy":
            a, b = sorted((place[one["a"]], place[one["b"]]))
            gold[a, b] = one["cross_source"]
    docs = [Doc(one["id"], one["source"], one["title"] or "", one["text"]) for one in records]
    ruled = _by_rule(docs)
    told = _tell(docs).copy_of
    group = [told.get(key, key) for key in range(1, len(docs) + 1)]
    crossing = {pair for pair, is_crossing in gold.items() if is_crossing}
    reported = {
        (a, b)
        for a, b in combinations(range(len(docs)), 2)
        if group[a] == group[b] and docs[a].source != docs[b].source
    }
    hashed = _min_hash(docs)
    cuts = [{pair for pair, value in hashed.items() if value >= step / 20} for step in range(1, 20)]
    theirs = max(cuts, key=lambda found: _f1(found, set(gold)))
    rule, report = "copies by the rule", "copies of another source in one report"
    return [
        Row(
            NAME,
            f"{rule}, precision",
            _precision(ruled, set(gold)),
            0.99,
            "",
            True,
            {"MinHash (rensa)": _precision(theirs, set(gold))},
        ),
        Row(
            NAME,
            f"{rule}, recall",
            _recall(ruled, set(gold)),
            0.95,
            "",
            True,
            {"MinHash (rensa)": _recall(theirs, set(gold))},
        ),
        Row(NAME, f"{report}, precision", _precision(reported, crossing), 0.85, "", True, {}),
        Row(NAME, f"{report}, recall", _recall(reported, crossing), 0.9, "", True, {}),
    ]


def _precision(found: set[Pair], gold: set[Pair]) -> float:
    return len(found & gold) / (len(found) or 1)


def _recall(found: set[Pair], gold: set[Pair]) -> float:
    return len(found & gold) / (len(gold) or 1)


def _f1(found: set[Pair], gold: set[Pair]) -> float:
    return 2 * len(found & gold) / ((len(found) + len(gold)) or 1)


# ── cost ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cost(folder: Path) -> list[Row]:
    """A day's articles join a month of ten thousand: real texts, with the names of each day made that day's own."""
    texts = [doc for doc in (*_ecb(folder), *_basil(folder), *_roundups(folder)) if doc.text]
    if not texts:
        return []
    with tempfile.TemporaryDirectory() as place:
        store = Store(f"sqlite:///{place}/month.db")
        migrate.upgrade(store)
        days = 31
        with store.write() as tx:
            keys = [
                sources.add(tx, SourceKind.RSS, url=f"https://s{key}.example/", title=f"S{key}", now=_NOW).id
                for key in range(12)
            ]
            for day in range(days):
                _one_day(tx, texts, keys, day=day, now=_NOW - (days - day) * _DAY, is_last=day == days - 1)
        size = Path(f"{place}/month.db").stat().st_size
        with store.write() as tx:
            began = time.process_time()
            joined = joining.join(tx, now=_NOW - _DAY)
            spent = time.process_time() - began
        store.close()
    return [
        Row(NAME, f"{joined} new articles join a month of {(days - 1) * 323:,}", spent, 2, "s", False, {}),
        Row(NAME, "the same, the whole database", size / 1e6 / (days * 323) * 1000, 12, "kB an article", False, {}),
    ]


def _one_day(tx: Any, texts: Sequence[Doc], keys: Sequence[int], *, day: int, now: datetime, is_last: bool) -> None:
    each = 323
    rows, places = [], []
    counted: Counter[int] = Counter()
    for number in range(each):
        doc = texts[(day * each + number) % len(texts)]
        text = " ".join(f"{word}{day}" if word[:1].isupper() else word for word in doc.text[:6000].split())
        key = day * each + number + 1
        identity = f"{key:064}"
        rows.append(
            {
                "id": key, "source_id": keys[key % len(keys)], "identity": identity, "url": identity, "text": text,
                "canonical_url": identity, "url_hash": identity, "content_hash": identity, "title": f"{doc.title}{day}",
                "summary": "", "content_html": "", "published_is_day": False, "image_alt": "", "labels": [],
                "language": "en", "position": 0, "word_count": 350, "first_seen_at": now,
            }
        )  # fmt: skip
        if not is_last:
            terms = count_terms(f"{doc.title}{day}", text)
            counted.update(terms.keys)
            places.append(story_store.NewPlace(key, key, None, "en", identity, now.date(), terms))
    tx.connection.execute(insert(article), rows)
    if not is_last:
        story_store.put(tx, places, swallowed={})
        story_store.add_counts(tx, now.date(), "en", articles=each, terms=counted)
