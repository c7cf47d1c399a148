"""Where a site's feeds are (collection.md F15). Pure: it names candidates in order, whoever fetches tries them.

Order: what the page names for machines (``link rel=alternate``), then links readers would follow, then the paths
that common software serves. Comment feeds are never candidates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from digest.feeds import htmltree
from digest.text import url as urls

_FEED_TYPES = frozenset(
    {
        "application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/feed+json", "text/rss+xml",
        "application/x.atom+xml", "application/x-atom+xml", "text/rss",
    }
)  # fmt: skip
_VAGUE_TYPES = frozenset({"application/json", "application/xml", "text/xml", ""})
_FEED_NAME = re.compile(
    r"(?:^|[/._?=&-])(?:feed|rss|rss2|atom|rdf|index\.rdf|feeds)(?:[/._?=&-]|\d?\.|$)", re.IGNORECASE
)
_NO_FEED = re.compile(
    r"oembed|wp-json|/amp/|manifest|opensearch|xmlrpc|\.(?:html?|css|js|png|jpe?g|svg|pdf)(?:[?#]|$)", re.IGNORECASE
)
_COMMENTS = re.compile(r"\b(?:comments?|kommentare?|commentaires?|comentarios?|commenti|reacties)\b", re.IGNORECASE)
_COMMON = ("feed", "rss.xml", "feed.xml", "atom.xml", "index.xml", "rss", "feed.json")
_COMMON_BELOW = ("feed", "rss.xml", "feed.xml")
_LINK_VALUE = re.compile(r"<([^<>]{1,2000})>((?:[^,<>\"]|\"[^\"]*\"){0,1000})")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)
_SITEMAP_LINE = re.compile(r"^[ \t]*sitemap[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_MAX_FEEDS = 20
_MAX_SITEMAPS = 50


def named(page: str, url: str) -> tuple[str, ...]:
    """Absolute addresses of the feeds a page names (``link rel=alternate``), in page order."""
    tree = htmltree.parse(page)
    return named_in(tree, htmltree.base_of(tree, url)) if tree is not None else ()


def named_in(tree: Any, base: str) -> tuple[str, ...]:
    """`named`, for a page that is parsed already."""
    found: dict[str, None] = {}
    for link in tree.iter("link"):
        rels = (link.get("rel") or "").lower().split()
        media_type = (link.get("type") or "").split(";")[0].strip().lower()
        address = urls.absolute(base, link.get("href") or "")
        if not address or not {"alternate", "feed"} & set(rels) or "stylesheet" in rels:
            continue
        is_feed = media_type in _FEED_TYPES or (media_type in _VAGUE_TYPES and _looks_like_feed(address))
        if (
            is_feed
            and not link.get("hreflang")
            and not _COMMENTS.search(link.get("title") or "")
            and not _is_comments(address)
        ):
            found[address] = None
    return tuple(found)[:_MAX_FEEDS]


def candidates(page: str, url: str) -> tuple[str, ...]:
    """Addresses worth trying for a page that names no feed: its links that look like feeds, then common paths."""
    tree = htmltree.parse(page)
    found: dict[str, None] = {}
    if tree is not None:
        base = htmltree.base_of(tree, url)
        for link in tree.iter("a"):
            address = urls.absolute(base, link.get("href") or "").partition("#")[0]
            if (
                address
                and urls.host(address) == urls.host(url)
                and _looks_like_feed(address)
                and not _is_comments(address)
            ):
                found[address] = None
    return tuple(dict.fromkeys([*list(found)[:_MAX_FEEDS], *common(url)]))


def common(url: str) -> tuple[str, ...]:
    """The usual feed addresses of a site: below the page's own folder first, then at the site's root."""
    if not urls.absolute("", url):
        return ()
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}/"
    folder = root + parts.path.lstrip("/").rpartition("/")[0]
    folder = folder if folder.endswith("/") else folder + "/"
    return tuple(dict.fromkeys([*(folder + name for name in _COMMON_BELOW), *(root + name for name in _COMMON)]))


def hubs(link_headers: Iterable[str], url: str) -> tuple[str, str]:
    """(hub, self) of a WebSub topic by its HTTP Link headers (RFC 8288), ``""`` for what they do not name."""
    hub = itself = ""
    for header in link_headers:
        for match in _LINK_VALUE.finditer(header):
            rel = _REL.search(match[2])
            rels = (rel[1] or rel[2] or "").lower().split() if rel else []
            if "hub" in rels:
                hub = hub or urls.absolute(url, match[1])
            if "self" in rels:
                itself = itself or urls.absolute(url, match[1])
    return hub, itself


def sitemaps(robots: str, url: str) -> tuple[str, ...]:
    """The sitemaps that a robots.txt names (RFC 9309 §2.2.4), those called news first; each once."""
    told = (urls.absolute(url, match[1]) for match in _SITEMAP_LINE.finditer(robots.lstrip("\ufeff")))
    found = dict.fromkeys(address for address in told if address)
    return tuple(sorted(found, key=lambda address: "news" not in urlsplit(address).path.lower()))[:_MAX_SITEMAPS]


def _looks_like_feed(address: str) -> bool:
    parts = urlsplit(address)
    told = unquote(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    return bool(_FEED_NAME.search(told)) and not _NO_FEED.search(told)


def _is_comments(address: str) -> bool:
    return bool(_COMMENTS.search(unquote(urlsplit(address).path)))
