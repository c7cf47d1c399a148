"""Feeds scored against the gold of the data, as its README defines "right"; the same rule for every parser."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from digest import feeds
from digest.model.errors import FeedMalformed

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """An entry as some parser gives it; ``at`` is the epoch of its date."""

    url: str
    title: str
    at: float | None


Parser = Callable[[bytes], list[Seen]]


def ours(raw: bytes) -> list[Seen]:
    """Digest's reading."""
    return [
        Seen(entry.url, entry.title, entry.published_at.timestamp() if entry.published_at else None)
        for entry in feeds.parse(raw, fetched_at=NOW).entries
    ]


def feedparser(raw: bytes) -> list[Seen]:
    """What feedparser gives with its own settings."""
    import calendar

    import feedparser as library

    def at(entry: Any) -> float | None:
        told = dict.get(entry, "published_parsed") or dict.get(entry, "updated_parsed")
        return float(calendar.timegm(told)) if told else None

    return [Seen(entry.get("link", ""), entry.get("title", ""), at(entry)) for entry in library.parse(raw).entries]


def fastfeedparser(raw: bytes) -> list[Seen]:
    """What fastfeedparser gives."""
    import fastfeedparser as library

    def at(entry: Any) -> float | None:
        told = entry.get("published") or entry.get("updated")
        return datetime.fromisoformat(told).timestamp() if told else None

    return [Seen(entry.get("link") or "", entry.get("title") or "", at(entry)) for entry in library.parse(raw).entries]


PARSERS: dict[str, Parser] = {"fastfeedparser": fastfeedparser, "feedparser": feedparser}


def records(path: Path) -> list[dict[str, Any]]:
    """Every line of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def real(folder: Path, parser: Parser) -> dict[str, str]:
    """What is wrong with a parser's reading, by file of ``feeds/real``; ``""`` where nothing is."""
    return {
        one["file"]: verdict(
            parser, (folder / one["file"]).read_bytes(), one, low=one["n"], high=one["n"], keep=one["n"]
        )
        for one in records(folder / "real.gold.jsonl")
    }


def damaged(folder: Path, parser: Parser) -> dict[str, str]:
    """The same for ``feeds/broken``."""
    bases = {one["file"]: one for one in records(folder / "real.gold.jsonl")}
    return {
        one["file"]: verdict(
            parser,
            (folder / one["file"]).read_bytes(),
            bases[one["base"]],
            low=one["n_min"],
            high=one["n_max"],
            keep=one["entries_keep"],
            titles=one["check_titles"],
        )
        for one in records(folder / "broken.gold.jsonl")
    }


def verdict(
    parser: Parser, raw: bytes, gold: dict[str, Any], *, low: int, high: int, keep: int, titles: bool = True
) -> str:
    """What is wrong with a parser's reading of one feed, or ``""``."""
    try:
        seen = parser(raw)
    except FeedMalformed as error:
        return str(error)
    except Exception as error:  # what others raise is their result; ours goes up
        if parser is ours:
            raise
        return f"raised {type(error).__name__}"
    if not low <= len(seen) <= high:
        return f"{len(seen)} entries, not {low}..{high}"
    return _first_difference(seen, gold["entries"][:keep], titles=titles)


def _first_difference(seen: list[Seen], wanted: list[dict[str, Any]], *, titles: bool) -> str:
    for number, (got, want) in enumerate(zip(seen, wanted, strict=False)):
        if want["links_ok"] and got.url not in want["links_ok"]:
            return f"link {number}: {got.url}"
        if want["date"] is not None and (got.at is None or min(abs(got.at - ok) for ok in want["dates_ok"]) > 60):
            return f"date {number}: {got.at}"
        if titles and plain(got.title) != plain(want["title"]):
            return f"title {number}: {got.title}"
    return ""


def plain(title: str) -> str:
    """A title without tags, case and punctuation."""
    return re.sub(r"[\W_]+", "", re.sub(r"<[^>]*>", "", html.unescape(html.unescape(title)))).casefold()


def share(verdicts: dict[str, str]) -> float:
    """Percentage of files with nothing wrong."""
    return 100 * sum(not wrong for wrong in verdicts.values()) / len(verdicts)
