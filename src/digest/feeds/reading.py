"""The entrance: bytes to a `ParsedFeed`, by the adapter that fits.

Everything that comes out of here is either a `ParsedFeed` or a `FeedMalformed` that says what to do.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from digest.feeds import detect, localfile, repair, xmlfeed
from digest.feeds.detect import Document
from digest.model.article import Oddity, ParsedFeed
from digest.model.errors import FeedMalformed

_FUTURE = timedelta(hours=24)


def parse(raw: bytes, *, url: str = "", content_type: str = "", fetched_at: datetime) -> ParsedFeed:
    """The feed in ``raw``, which came from ``url`` at ``fetched_at``. Raises FeedMalformed with a hint."""
    text, odd = repair.decode(raw, content_type=content_type)
    document = detect.sniff(text)
    if document is not Document.FEED:
        raise _not_a_feed(document, text, url=url)
    feed = xmlfeed.parse(text, url=url)
    warnings = odd + feed.warnings
    ahead = sum(1 for entry in feed.entries if entry.published_at and entry.published_at > fetched_at + _FUTURE)
    if ahead:
        warnings += (Oddity("future-date", f"{ahead} entries are dated more than a day ahead"),)
    return replace(feed, warnings=warnings)


def parse_file(raw: bytes, *, name: str) -> ParsedFeed:
    """The one article of a local text, Markdown or HTML file. ``name`` chooses the format and becomes its guid."""
    return localfile.parse(raw, name=name)


def _not_a_feed(document: Document, text: str, *, url: str) -> FeedMalformed:
    if document is Document.EMPTY:
        return FeedMalformed("the document is empty", hint="open the address in a browser and check what it gives")
    if document is Document.JSON:
        return FeedMalformed("this is JSON, not an RSS or Atom feed", hint="use the RSS or Atom address of this site")
    if document is Document.WEB_PAGE:
        named = detect.discover(text, url)
        if named:
            return FeedMalformed(
                "this is a web page, not a feed", hint=f"the page names these feeds: {', '.join(named)}"
            )
        return FeedMalformed(
            "this is a web page, not a feed, and it names no feed",
            hint="look for an RSS link on the site and use its address",
        )
    return FeedMalformed("this is not a feed", hint="check that the address is that of an RSS or Atom feed")
