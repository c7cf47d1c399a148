"""Article pages and teasers against hand-made gold: our reader beside plain trafilatura, in the same run.

Scoring is that of the data's own suites: text by word bags (mean F1 of pages), segments that must and must not be in
the text, a title as right when it shares nine tenths of its words with the gold's, an author as right when one gold
name is found, a date as right on the day.
"""

from __future__ import annotations

import json
import lzma
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bench.collect.rows import Row

NAME = "pages"

_WORD = re.compile(r"\w+")
_COMPARABLE = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Read:
    """What a reader found in a page. ``authors`` is as it gives it, ``""`` for none; ``cpu_s`` is processor time."""

    text: str
    title: str
    authors: str
    on: tuple[date, ...]
    summary: str
    cpu_s: float


Reader = Callable[[bytes, str], Read]
Gold = dict[str, Any]


def measure(data: Path) -> list[Row]:
    """The goals of collection.md §4 for pages and teasers."""
    pages = list(gold_pages(data))
    for reader in (ours, trafilatura_alone):  # imports and first use are not the pages' time
        reader(*_first(pages))
    own = {one["file"]: ours(raw, one["url"]) for one, raw in pages}
    other = {one["file"]: trafilatura_alone(raw, one["url"]) for one, raw in pages}
    gold = [one for one, _ in pages]
    rows: list[Row] = []
    for what, target, unit, score in GOALS:
        rows.append(Row(NAME, what, score(gold, own), target, unit, True, {"trafilatura": score(gold, other)}))
    slow, slow_other = max(one.cpu_s for one in own.values()), max(one.cpu_s for one in other.values())
    rows.append(Row(NAME, "slowest page", slow, 3.0, "s CPU", False, {"trafilatura": slow_other}))
    return [*rows, *_teaser_rows(gold, own)]


def gold_pages(data: Path) -> Iterator[tuple[Gold, bytes]]:
    """(gold record, raw page) of every page below ``data``/pages."""
    folder = data / "pages"
    for line in (folder / "gold.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        yield record, lzma.decompress((folder / record["file"]).read_bytes())


def ours(raw: bytes, url: str) -> Read:
    """Digest's reader, in this process (the pool adds a copy over a pipe)."""
    from digest.feeds import webpage
    from digest.model.errors import FeedMalformed
    from digest.text import html

    began = time.process_time()
    try:
        found = webpage.read(raw, url=url)
    except FeedMalformed:
        return Read("", "", "", (), "", time.process_time() - began)
    took = time.process_time() - began
    days = () if found.published_at is None else (found.published_at.date(),)
    text = html.to_text(found.content_html)
    return Read(text, found.title, found.author or "", days, found.summary, took)


def trafilatura_alone(raw: bytes, url: str) -> Read:
    """Trafilatura as its documentation shows it, favouring precision, with metadata."""
    import trafilatura

    began = time.process_time()
    found = trafilatura.bare_extraction(raw, url=url, favor_precision=True, include_comments=False, with_metadata=True)
    took = time.process_time() - began
    if found is None:
        return Read("", "", "", (), "", took)
    on = (date.fromisoformat(found.date),) if found.date else ()
    return Read(found.text or "", found.title or "", found.author or "", on, found.description or "", took)


def _first(pages: list[tuple[Gold, bytes]]) -> tuple[bytes, str]:
    return pages[0][1], pages[0][0]["url"]


def bag_f1(text: str, gold: str) -> float:
    """F1 of two word bags."""
    one, other = Counter(_WORD.findall(text.casefold())), Counter(_WORD.findall(gold.casefold()))
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


def text_f1(one: Gold, read: Read) -> float:
    """F1 of a page's text, with or without the standfirst: a reader may take it for the summary."""
    gold = one["gold"]
    return max(bag_f1(read.text, gold[key]) for key in ("text", "text_nosummary") if gold.get(key) is not None)


def title_is_right(one: Gold, read: Read) -> bool:
    """Whether nine tenths of the words are those of the gold title."""
    return bag_f1(read.title, one["gold"]["title"] or "") >= 0.9


def author_is_right(one: Gold, read: Read) -> bool:
    """Whether a gold author is among those found; where there is none, whether none was found."""
    names = [name for name in one["gold"]["authors"] or [] if name]
    found = _COMPARABLE.sub("", read.authors).casefold()
    return any(_COMPARABLE.sub("", name).casefold() in found for name in names) if names else not found


def date_is_right(one: Gold, read: Read) -> bool:
    """Whether the day is the gold's, as both write it: an instant counts in the zone of its page."""
    return date.fromisoformat(one["gold"]["date"][:10]) in read.on


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def _of(gold: list[Gold], name: str, *, has: str = "") -> list[Gold]:
    return [one for one in gold if one["set"] == name and (not has or _is_there(one["gold"].get(has)))]


def _is_there(value: object) -> bool:
    return bool(value) and not isinstance(value, float)  # NaN is how one suite writes a missing date


def _f1(name: str) -> Callable[[list[Gold], dict[str, Read]], float]:
    return lambda gold, read: _mean(text_f1(one, read[one["file"]]) for one in _of(gold, name))


def _share(
    name: str, is_right: Callable[[Gold, Read], bool], *, has: str = "", lacks: str = ""
) -> Callable[[list[Gold], dict[str, Read]], float]:
    def score(gold: list[Gold], read: dict[str, Read]) -> float:
        chosen = [one for one in _of(gold, name, has=has) if not (lacks and one["gold"].get(lacks))]
        return _mean(is_right(one, read[one["file"]]) for one in chosen)

    return score


def _hopeless(gold: list[Gold], read: dict[str, Read]) -> float:
    """Share of pages read at least half right, of both sets with whole texts."""
    chosen = [*_of(gold, "fundus"), *_of(gold, "aeb")]
    return _mean(text_f1(one, read[one["file"]]) >= 0.5 for one in chosen)


def _segments(gold: list[Gold], read: dict[str, Read]) -> float:
    """F1 of the segments that must be there against those that must not."""
    hit = miss = junk = 0
    for one in _of(gold, "trafeval"):
        text = " ".join(read[one["file"]].text.split())
        inside = sum(" ".join(part.split()) in text for part in one["gold"]["with"])
        hit, miss = hit + inside, miss + len(one["gold"]["with"]) - inside
        junk += sum(" ".join(part.split()) in text for part in one["gold"]["without"])
    return 2 * hit / (2 * hit + miss + junk)


def _speed(_gold: list[Gold], read: dict[str, Read]) -> float:
    return 1 / _mean(one.cpu_s for one in read.values())


GOALS = (
    ("main text F1, fundus", 0.955, "F1", _f1("fundus")),
    ("main text F1, aeb", 0.965, "F1", _f1("aeb")),
    ("pages half right or better", 0.995, "share", _hopeless),
    ("segment F1, trafeval", 0.935, "F1", _segments),
    ("title right, fundus", 0.88, "share", _share("fundus", title_is_right, has="title")),
    ("title right, trafeval", 0.85, "share", _share("trafeval", title_is_right, has="title")),
    ("author found, fundus", 0.93, "share", _share("fundus", author_is_right, has="authors")),
    ("author found, trafeval", 0.0, "share", _share("trafeval", author_is_right, has="authors")),
    ("no author where none, trafeval", 0.75, "share", _share("trafeval", author_is_right, lacks="authors")),
    ("date right, fundus", 0.99, "share", _share("fundus", date_is_right, has="date")),
    ("date right, trafeval", 0.90, "share", _share("trafeval", date_is_right, has="date")),
    ("date right, mediacloud", 0.92, "share", _share("mediacloud-dates", date_is_right, has="date")),
    ("pages a second and core, with metadata", 35.0, "1/s", _speed),
)


def _teaser_rows(gold: list[Gold], own: dict[str, Read]) -> list[Row]:
    """ROUGE-1 of teasers against the publisher's standfirst, where the gold tells it apart from the text."""
    from digest.text.excerpt import lead, teaser

    ours_, described, led = [], [], []
    for one in _of(gold, "fundus"):
        whole, body = one["gold"]["text"], one["gold"]["text_nosummary"]
        standfirst = whole[: len(whole) - len(body)].strip() if whole.endswith(body) else ""
        if len(standfirst) < 20:
            continue
        read = own[one["file"]]
        ours_.append(bag_f1(teaser(read.summary, title=read.title, text=body), standfirst))
        described.append(bag_f1(read.summary, standfirst))
        led.append(bag_f1(lead(body), standfirst))
    anchors = {"meta description": _mean(described), "lead to 260 characters": _mean(led)}
    return [Row(NAME, "teaser against standfirst, ROUGE-1", _mean(ours_), 0.75, "F1", True, anchors)]
