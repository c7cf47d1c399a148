"""OPML lists, sitemaps and the listing page of the made-up newsroom."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from bench.collect import gold
from bench.collect.rows import Row
from digest import feeds
from digest.feeds import opml
from digest.model.errors import FeedMalformed

NAME = "lists"


def measure(data: Path) -> list[Row]:
    """Shares of lists whose addresses are all right, in order."""
    lists = {one["file"]: one for one in gold.records(data / "opml.gold.jsonl")}.values()
    maps = [one for one in gold.records(data / "sitemaps.gold.jsonl") if one["n"]]
    found, others = listing(data)
    return [
        Row(
            NAME,
            "OPML lists right",
            _share(opml_right(data, one) for one in lists),
            100,
            "%",
            True,
            _listparser(data, lists),
        ),
        Row(NAME, "sitemaps right", _share(sitemap_right(data, one) for one in maps), 100, "%", True, {}),
        Row(NAME, "articles found on the listing page, of 30", found, 30, "", True, {}),
        Row(NAME, "other links taken for articles", others, 0, "", False, {}),
    ]


def opml_right(data: Path, record: dict[str, Any]) -> bool:
    """Whether the addresses are those of the gold, or, where the gold lost half of one, those the file has."""
    raw = (data / record["file"]).read_bytes()
    try:
        seen = [outline.feed_url for outline in opml.parse(raw)]
    except FeedMalformed:
        return not record["urls"]
    return _same(seen, record["urls"], raw)


def _same(seen: list[str], wanted: list[str], raw: bytes) -> bool:
    """The gold has broken addresses where a file has bare ampersands: "?a=1&b=2" became "?a=1=2"."""
    text = html.unescape(raw.decode("utf-8", "replace"))
    return len(seen) == len(wanted) and all(
        got == want or (want not in text and got in text) for got, want in zip(seen, wanted, strict=True)
    )


def _listparser(data: Path, lists: Any) -> dict[str, float]:
    import listparser

    def right(record: dict[str, Any]) -> bool:
        raw = (data / record["file"]).read_bytes()
        return _same([feed.url for feed in listparser.parse(raw).feeds], record["urls"], raw)

    return {"listparser": _share(right(one) for one in lists)}


def sitemap_right(data: Path, record: dict[str, Any]) -> bool:
    """Whether addresses, children, and titles of news are those of the gold; its entries are the first of many."""
    feed = feeds.examine((data / record["file"]).read_bytes(), url="https://example.com/", fetched_at=gold.NOW)
    entries = [one for one in record["entries"] if "loc" in one]
    children = {one["child"] for one in record["entries"] if "child" in one}
    return (
        len(feed.entries) + len(feed.children) == record["n"]
        and all(got.url == want["loc"] for got, want in zip(feed.entries, entries, strict=False))
        and all(
            gold.plain(got.title) == gold.plain(want["title"])
            for got, want in zip(feed.entries, entries, strict=False)
            if want.get("title")
        )
        and children == set(feed.children)
    )


def listing(data: Path) -> tuple[int, int]:
    """(articles found, other links) on the one page of the newsroom that has no feed."""
    day = data / "newsroom-day"
    truth = json.loads((day / "gold.json").read_text("utf-8"))
    path = next(name for name in truth["feeds"] if name.startswith("/lumen-local"))
    site = day / "site" / path.lstrip("/")
    page = (site / "index.html" if site.is_dir() else site).read_bytes()
    feed = feeds.examine(page, url=truth["base"] + path, fetched_at=gold.NOW)
    wanted = {article["url"] for article in truth["articles"] if "/lumen-local/" in article["url"]}
    seen = [entry.url for entry in feed.entries]
    return len(wanted & set(seen)), len([url for url in seen if url not in wanted]) + len(seen) - len(set(seen))


def _share(verdicts: Any) -> float:
    told = list(verdicts)
    return 100 * sum(told) / len(told)
