"""What a document is, and which feeds a web page names.

One adapter for each format: `reading` asks here and calls the adapter. JSON Feed, sitemaps and listing pages
get their own word here when they get their adapter.
"""

from __future__ import annotations

import re
from enum import StrEnum

from lxml import etree, html

from digest.feeds import repair
from digest.text import url as urls

_HTML = re.compile(r"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/rdf+xml", "text/rss+xml"})
_COMMENTS = re.compile(r"\bcomments?\b", re.IGNORECASE)
_MAX_FEEDS = 20


class Document(StrEnum):
    """Kinds of document."""

    FEED = "feed"
    WEB_PAGE = "web-page"
    JSON = "json"
    EMPTY = "empty"
    OTHER = "other"


def sniff(text: str) -> Document:
    """What ``text`` is, by its own look: servers call feeds text/html and pages text/xml."""
    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped:
        return Document.EMPTY
    if stripped[0] in "{[":
        return Document.JSON
    root = repair.root_at(text)
    if root and (repair.openings(text[root.start() :]) or not _HTML.search(text[: root.start()])):
        return Document.FEED
    return Document.WEB_PAGE if _HTML.search(text[:20_000]) else Document.OTHER


def discover(page: str, base: str) -> tuple[str, ...]:
    """Absolute addresses of the feeds a page names (``link rel=alternate``), in page order; comment feeds left out."""
    try:
        tree = html.document_fromstring(page.encode("utf-8", "replace"), parser=html.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, ValueError):  # nothing in it but blanks or comments
        return ()
    base_href = tree.find(".//base")
    if base_href is not None and (href := base_href.get("href")):
        base = urls.absolute(base, href) or base
    found: dict[str, None] = {}
    for link in tree.iter("link"):
        rels = (link.get("rel") or "").lower().split()
        media_type = (link.get("type") or "").split(";")[0].strip().lower()
        address = urls.absolute(base, link.get("href") or "")
        if "alternate" not in rels or media_type not in _FEED_TYPES or not address:
            continue
        if not _COMMENTS.search(link.get("title") or "") and not _COMMENTS.search(address):
            found[address] = None
    return tuple(found)[:_MAX_FEEDS]
