"""Scoring feeds against the gold of the shared data, as its README defines "right"."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from digest import feeds
from digest.model.article import ParsedFeed
from digest.model.errors import FeedMalformed

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def records(path: Path) -> list[dict[str, Any]]:
    """Every line of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def verdict(raw: bytes, gold: dict[str, Any], *, low: int, high: int, keep: int, titles: bool = True) -> str:
    """What is wrong with our reading of a feed, or ``""``."""
    try:
        feed = feeds.parse(raw, fetched_at=NOW)
    except FeedMalformed as error:
        return str(error)
    if not low <= len(feed.entries) <= high:
        return f"{len(feed.entries)} entries, not {low}..{high}"
    return _first_difference(feed, gold["entries"][:keep], titles=titles)


def _first_difference(feed: ParsedFeed, wanted: list[dict[str, Any]], *, titles: bool) -> str:
    for number, (got, want) in enumerate(zip(feed.entries, wanted, strict=False)):
        if want["links_ok"] and got.url not in want["links_ok"]:
            return f"link {number}: {got.url}"
        instant = got.published_at.timestamp() if got.published_at else None
        if want["date"] is not None and (instant is None or min(abs(instant - ok) for ok in want["dates_ok"]) > 60):
            return f"date {number}: {got.published_at}"
        if titles and _plain(got.title) != _plain(want["title"]):
            return f"title {number}: {got.title}"
    return ""


def _plain(title: str) -> str:
    return re.sub(r"[\W_]+", "", re.sub(r"<[^>]*>", "", html.unescape(html.unescape(title)))).casefold()
