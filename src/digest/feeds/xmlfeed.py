"""RSS, Atom and RDF: our thin layer over two parsers (collection.md §2.1).

fastfeedparser reads the repaired text first. Where its result is weak (fewer entries than the document opens, a
link or date missing, xml:base in use) feedparser reads it too, and the fuller result wins, gaps filled from the
other. Neither ever sees a DOCTYPE, so there is nothing to expand or to fetch.
"""

from __future__ import annotations

import io
import re
from typing import Any

import fastfeedparser
import feedparser

from digest.feeds import fields, repair
from digest.feeds.fields import Draft
from digest.model.article import Oddity, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import charset, html
from digest.text import url as urls

MAX_ENTRIES = 2000

_PROLOG = b'<?xml version="1.0" encoding="utf-8"?>\n'
_TTL = re.compile(r"<ttl[^>]*>\s*(\d{1,6})\s*</ttl", re.IGNORECASE)
_PERIOD = re.compile(r"<sy:updatePeriod[^>]*>\s*(\w+)\s*<", re.IGNORECASE)
_FREQUENCY = re.compile(r"<sy:updateFrequency[^>]*>\s*(\d{1,4})\s*<", re.IGNORECASE)
_PERIOD_S = {"hourly": 3600, "daily": 86400, "weekly": 604800, "monthly": 2592000, "yearly": 31536000}
_XML_BASE = re.compile(r"""xml:base\s*=\s*["']([^"']+)["']""")
_HEAD_CHARS = 8000


def parse(text: str, *, url: str) -> ParsedFeed:
    """The feed in ``text``, read at address ``url``. Raises FeedMalformed when no parser finds one."""
    root = repair.root_at(text)
    if root is None:
        raise FeedMalformed(
            "there is no feed in this document", hint="check that the address is that of an RSS or Atom feed"
        )
    feed, odd = repair.isolate(text, root)
    feed = repair.repair(feed)
    raw = _PROLOG + feed.encode("utf-8", "replace")
    expected = repair.openings(feed)
    only_days = "00:00" not in feed
    first_feed, first = _first(raw, only_days=only_days)
    home = urls.absolute(url, _text(first_feed.get("link")))
    weak = len(first) < expected or not all(one.is_complete for one in first) or "xml:base" in feed
    second_feed: Any = {}
    drafts = first
    if weak or not first_feed:
        second_feed, second = _second(raw, url=url)
        drafts = _fuller(first, second, prefer_second="xml:base" in feed)
        home = home or urls.absolute(url, _text(second_feed.get("link")))
    _drop_self_links(drafts, feed)
    if not first_feed and not second_feed:
        raise FeedMalformed(
            "the feed is too damaged to read", hint="ask the publisher to check it with a feed validator"
        )
    return _assemble(
        feed,
        drafts,
        kind=_kind(root.group(1)),
        about=(first_feed, second_feed),
        url=url,
        home=home,
        odd=odd,
        expected=expected,
    )


def _first(raw: bytes, *, only_days: bool) -> tuple[Any, list[Draft]]:
    try:
        parsed = fastfeedparser.parse(raw)
    except ValueError:  # its one word for "not a feed" and for XML it cannot read; the second parser tries then
        return {}, []
    language = _text(parsed.feed.get("language")) or None
    return parsed.feed, [fields.draft(entry, language=language, only_days=only_days) for entry in parsed.entries]


def _second(raw: bytes, *, url: str) -> tuple[Any, list[Draft]]:
    parsed = feedparser.parse(
        io.BytesIO(raw),
        response_headers={"content-type": "application/xml; charset=utf-8", "content-location": url},
        sanitize_html=False,  # done once, at storage, by nh3
        resolve_relative_uris=True,
    )
    if not parsed.get("version") and not parsed.entries:
        return {}, []
    language = _text(parsed.feed.get("language")) or None
    return parsed.feed, [fields.draft(entry, language=language) for entry in parsed.entries]


def _drop_self_links(drafts: list[Draft], feed: str) -> None:
    """An empty ``href`` resolves to the document's own base: that is no link to an article."""
    bases = set(_XML_BASE.findall(feed))
    for one in drafts:
        if one.link in bases:
            one.link = ""


def _fuller(first: list[Draft], second: list[Draft], *, prefer_second: bool) -> list[Draft]:
    """The result with more entries; of equal ones the first, or ``second`` where it knows bases. Gaps are filled."""
    main, other = (first, second) if len(first) >= len(second) else (second, first)
    if prefer_second and len(first) == len(second):
        main, other = second, first
    if len(main) == len(other):
        for one, counterpart in zip(main, other, strict=True):
            one.fill_from(counterpart)
        return main
    by_key = {key: one for one in other if (key := one.guid or one.link or one.title)}
    for one in main:
        counterpart_found = by_key.get(one.guid or one.link or one.title)
        if counterpart_found:
            one.fill_from(counterpart_found)
    return main


def _assemble(
    feed: str,
    drafts: list[Draft],
    *,
    kind: str,
    about: tuple[Any, Any],
    url: str,
    home: str,
    odd: tuple[Oddity, ...],
    expected: int,
) -> ParsedFeed:
    title = next((found for part in about if (found := _text(part.get("title")))), "")
    language = next((found for part in about if (found := _text(part.get("language")))), None)
    base = url or home
    entries = tuple(
        one.finish(base=home or base, language=language, position=i) for i, one in enumerate(drafts[:MAX_ENTRIES])
    )
    warnings = list(odd)
    if len(drafts) < expected:
        warnings.append(Oddity("entries-lost", f"{expected - len(drafts)} of {expected} entries could not be read"))
    if len(drafts) > MAX_ENTRIES:
        warnings.append(Oddity("too-many-entries", f"only the first {MAX_ENTRIES} of {len(drafts)} entries were read"))
    undated = sum(entry.published_at is None for entry in entries)
    if undated:
        warnings.append(Oddity("no-date", f"{undated} of {len(entries)} entries have no date"))
    return ParsedFeed(
        kind=kind,
        title=charset.unmojibake(html.to_line(title)),
        home_url=home or None,
        language=language,
        entries=entries,
        warnings=tuple(warnings),
        ttl_s=_ttl_s(feed[:_HEAD_CHARS]),
    )


def _kind(root_name: str) -> str:
    local = root_name.rpartition(":")[2].lower()
    return {"feed": "atom", "rdf": "rdf"}.get(local, "rss")


def _ttl_s(head: str) -> int | None:
    if match := _TTL.search(head):
        return int(match.group(1)) * 60 or None
    period = _PERIOD.search(head)
    if not period or (length := _PERIOD_S.get(period.group(1).lower())) is None:
        return None
    frequency = _FREQUENCY.search(head)
    return length // max(1, int(frequency.group(1)) if frequency else 1)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
