"""Conformance cases of parsers' own test suites that matter to a reader of news: titles, links, texts, dates, safety.

Each case is one feature. The expectation is an expression of comparisons in the words of feedparser; those that ask
for what a digest never shows (licences, coordinates, raw attributes) are left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.collect import gold
from bench.collect.rows import Row
from digest import feeds
from digest.feeds import fields
from digest.model.article import ParsedArticle, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import html, sanitise

NAME = "conformance"

# Another allow-list than ours (safety is measured apart), HTTP headers that no file has, drawings and formulas
_NOT_OURS = re.compile(r"/sanitize/|content_location|content-location|<svg|<math")
_DANGEROUS = re.compile(
    r"<\s*/?(?:script|style|iframe|object|embed|form|input|meta|link|base|svg|math|frame|applet)\b"
    r"|<[^>]*\son\w+\s*=|(?:href|src)\s*=\s*[\"']?\s*(?:javascript|vbscript|data|file):|<[^>]*\sstyle\s*=",
    re.IGNORECASE,
)


def measure(data: Path) -> list[Row]:
    """Shares of cases read as expected, beside feedparser where the cases are not its own, and what stays dangerous."""
    folder = data / "feeds"
    told = dict(cases(folder))
    dangerous, fragments = unsafe(folder)
    return [
        Row(NAME, f"cases as expected, of {len(told)}", 100 * sum(told.values()) / len(told), 95, "%", True, {}),
        Row(NAME, f"dangerous after cleaning, of {fragments} fragments", dangerous, 0, "", False, {}),
    ]


def cases(folder: Path) -> Iterator[tuple[str, bool]]:
    """(file, whether it was read as expected) for each case that fits."""
    for record in gold.records(folder / "micro.index.jsonl"):
        if not record.get("expect") or _NOT_OURS.search(f"{record['file']} {record['expect']}"):
            continue
        wanted = list(_wanted(record["expect"]))
        if not wanted:
            continue
        try:
            feed = feeds.parse(
                (folder / record["file"]).read_bytes(), url="http://127.0.0.1:8097/", fetched_at=gold.NOW
            )
        except FeedMalformed:
            yield record["file"], False
            continue
        yield record["file"], all(_matches(feed, path, value) for path, value in wanted)


def unsafe(folder: Path) -> tuple[int, int]:
    """(fragments with something dangerous left after cleaning, all fragments) of the sanitiser's cases."""
    bad = total = 0
    for path in sorted((folder / "micro").rglob("sanitize/*.xml")):
        try:
            feed = feeds.parse(path.read_bytes(), url="https://example.com/", fetched_at=gold.NOW)
        except FeedMalformed:
            continue
        for entry in feed.entries:
            for fragment in (entry.title, entry.summary, entry.content_html):
                total += 1
                bad += bool(_DANGEROUS.search(sanitise.sanitise(fragment, base="https://example.com/")))
    return bad, total


def _wanted(expression: str) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """(path, value) of the equalities of an expression that are about what we keep; nothing when it has others."""
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        return
    parts = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
    found = []
    for part in parts:
        if isinstance(part, ast.UnaryOp):  # "not bozo"
            continue
        if not isinstance(part, ast.Compare) or len(part.ops) != 1 or not isinstance(part.ops[0], ast.Eq):
            return
        path = _path(part.left)
        try:
            value = ast.literal_eval(part.comparators[0])
        except ValueError:
            return
        if path not in _FIELDS or value is None:
            return
        found.append((path, value))
    yield from found


def _path(node: ast.expr) -> tuple[str | int, ...]:
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        return (*_path(node.value), node.attr)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        key = node.slice.value
        return (*_path(node.value), key if isinstance(key, str | int) else "?")
    return ("?",)


def _entry(feed: ParsedFeed) -> ParsedArticle:
    return feed.entries[0] if feed.entries else ParsedArticle(guid="", url="", title="")


_FIELDS: dict[tuple[str | int, ...], Any] = {
    ("feed", "title"): lambda feed: feed.title,
    ("feed", "link"): lambda feed: feed.home_url,
    ("feed", "language"): lambda feed: feed.language,
    ("entries", 0, "title"): lambda feed: _entry(feed).title,
    ("entries", 0, "link"): lambda feed: _entry(feed).url,
    ("entries", 0, "id"): lambda feed: _entry(feed).guid,
    ("entries", 0, "guid"): lambda feed: _entry(feed).guid,
    ("entries", 0, "author"): lambda feed: _entry(feed).author,
    ("entries", 0, "description"): lambda feed: _entry(feed).summary or _entry(feed).content_html,
    ("entries", 0, "summary"): lambda feed: _entry(feed).summary or _entry(feed).content_html,
    ("entries", 0, "content", 0, "value"): lambda feed: _entry(feed).content_html,
    ("entries", 0, "enclosures", 0, "href"): lambda feed: next((one.url for one in _entry(feed).enclosures), ""),
    ("entries", 0, "enclosures", 0, "type"): lambda feed: next((one.media_type for one in _entry(feed).enclosures), ""),
}


def _matches(feed: ParsedFeed, path: tuple[str | int, ...], value: object) -> bool:
    """Equal as a reader sees it: markup and blanks apart; an address as the one it leads to."""
    got = _FIELDS[path](feed)
    if path[-1] == "author":  # we show no addresses
        value = fields.person(str(value))
    if path[-1] == "title":  # ours is plain text
        return "".join(str(got or "").split()).casefold() in {_seen(str(value)), "".join(str(value).split()).casefold()}
    return _seen(str(got or "")) == _seen(str(value))


def _seen(text: str) -> str:
    return "".join(html.to_text(text).split()).casefold() or "".join(text.split()).casefold()
