"""What a document is, by its own look: servers call feeds text/html and pages text/xml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from digest.feeds import repair
from digest.text import url as urls

_HTML = re.compile(r"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_OUTLINE = re.compile(r"<outline\s[^<>]{0,2000}?\bxmlurl\s*=", re.IGNORECASE)
_HTML_CHARS = 20_000
_LISTED_LINES = 50


class Document(StrEnum):
    """Kinds of document."""

    FEED = "feed"
    SITEMAP = "sitemap"
    OPML = "opml"
    JSON = "json"
    ADDRESSES = "addresses"
    WEB_PAGE = "web-page"
    EMPTY = "empty"
    OTHER = "other"


_ROOTS = {"urlset": Document.SITEMAP, "sitemapindex": Document.SITEMAP, "opml": Document.OPML}


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a document is; for XML kinds also where its root element starts, and that element's local name."""

    document: Document
    root: re.Match[str] | None = None

    @property
    def local(self) -> str:
        """The root's name in lower case, without prefix; ``""`` for what is no XML."""
        return self.root["local"].lower() if self.root else ""


def sniff(text: str) -> Sniffed:
    """What ``text`` is."""
    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped:
        return Sniffed(Document.EMPTY)
    if stripped[0] in "{[":
        return Sniffed(Document.JSON)
    root = repair.root_at(text)
    if root and (not _HTML.search(text, 0, root.start()) or _is_wrapped(text, root)):
        return Sniffed(_ROOTS.get(root["local"].lower(), Document.FEED), root)
    if _OUTLINE.search(text):  # OPML whose root is missing or misspelt
        return Sniffed(Document.OPML)
    if _HTML.search(text, 0, _HTML_CHARS):
        return Sniffed(Document.WEB_PAGE)
    return Sniffed(Document.ADDRESSES if _lists_addresses(stripped) else Document.OTHER)


def _is_wrapped(text: str, root: re.Match[str]) -> bool:
    """Whether a feed stands inside a web page, and is not only quoted there."""
    return root["local"].lower() in {"rss", "feed", "rdf"} and repair.openings(text[root.start() :]) > 0


def _lists_addresses(text: str) -> bool:
    """Whether every line is a web address: a sitemap as plain text (sitemaps.org, "Text file")."""
    lines = [line.strip() for line in text[:100_000].splitlines()[:_LISTED_LINES]]
    return bool(lines) and all(urls.absolute("", line) for line in lines if line) and " " not in lines[0]
