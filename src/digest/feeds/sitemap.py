"""Sitemaps as a source: news sitemaps, plain ones, indexes, and lists of addresses (sitemaps.org; collection.md F22).

A news sitemap gives title, date, language and keywords; a plain one only addresses and when they changed. Elements
are known by local name: publishers use every namespace and prefix there is.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from html import escape
from typing import Any
from urllib.parse import urlsplit

from digest.feeds import elements, fields, xmltree
from digest.feeds.fields import MAX_ENTRIES, Draft, newest
from digest.model.article import Oddity, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import dates
from digest.text import url as urls

MAX_CHILDREN = 100

_NEWS_WINDOW = timedelta(days=2)  # "only articles of the last two days": Google's rule for news sitemaps
_SHOP_NAMES = """
shop shopping shops deals deal coupons coupon vouchers voucher gift-guide gift-guides gifts cnn-underscored underscored
commerce ecommerce buying-guides buying-guide bestproducts best-products product-reviews wirecutter advertorial
advertorials sponsored sponsored-content sponsor-content partner-content branded-content brandstudio paid-post paidpost
paid-content promotions anzeige anzeigen
"""
_SHOPS = frozenset(_SHOP_NAMES.split())
_DATE_IN_NAME = re.compile(r"(?:19|20)\d{2}(?:[-_/]?\d{2}){0,2}")


def parse(text: str, *, url: str, odd: tuple[Oddity, ...] = ()) -> ParsedFeed:
    """The sitemap or index in ``text`` (which starts at its root element), read at address ``url``.

    Raises FeedMalformed when nothing in it is an address.
    """
    tree = xmltree.parse(text)
    reader = dates.DateReader()
    drafts: list[Draft] = []
    publications: Counter[str] = Counter()
    children: dict[str, dates.ParsedDate | None] = {}
    for element in tree.root.iter():
        local = xmltree.local(element)
        if local == "url":
            about = _about(element)
            if found := _draft(about, url, reader):
                publications[about.get("name", "")] += 1
                drafts.append(found)
        elif local == "sitemap":
            about = _about(element)
            address = urls.absolute(url, about.get("loc") or (element.text or ""))
            if address:
                children[address] = reader.read(about.get("lastmod", ""))
    if not drafts and not children:
        raise FeedMalformed(
            "this sitemap names no address", hint="use the news sitemap that robots.txt of the site names"
        )
    return _assemble(drafts, children, title=_most_common(publications), odd=odd)


def parse_addresses(text: str, *, url: str, odd: tuple[Oddity, ...] = ()) -> ParsedFeed:
    """A sitemap as plain text: one address a line."""
    lines = dict.fromkeys(urls.absolute("", line.strip("\ufeff \t\r")) for line in text.splitlines())
    drafts = [Draft(link=address) for address in lines if address]
    return _assemble(drafts, {}, title=urls.host(url), odd=odd)


def _about(element: Any) -> dict[str, str]:
    """The texts below one ``url`` or ``sitemap``, by local name, the first of each; ``image`` is its first picture."""
    found: dict[str, str] = {}
    for one in element.iterdescendants():
        local = xmltree.local(one)
        within = xmltree.local(one.getparent())
        if local in {"loc", "title", "caption"} and within == "image":
            local = f"image {local}"
        elif local in {"title", "description", "publication_date"} and within == "video":
            local = f"video {local}"
        elif local == "loc" and one.getparent() is not element:
            continue
        if len(one) == 0 and local and local not in found and (told := elements.text(one)):
            found[local] = told
    return found


def _draft(about: dict[str, str], url: str, reader: dates.DateReader) -> Draft | None:
    address = urls.absolute(url, about.get("loc", ""))
    if not address:
        return None
    language = about.get("language", "")
    return Draft(
        guid=address,
        link=address,
        title=escape(about.get("title") or about.get("video title", ""), quote=False).replace("&amp;", "&"),
        summary=about.get("video description", ""),
        published=reader.read(about.get("publication_date", "")),
        updated=reader.read(about.get("lastmod", "")),
        image_url=about.get("image loc") or about.get("thumbnail_loc", ""),
        image_alt=about.get("image caption") or about.get("image title", ""),
        language=language,
        labels=fields.labels(about.get("keywords", "").split(",")),
    )


def _assemble(
    drafts: list[Draft], children: dict[str, dates.ParsedDate | None], *, title: str, odd: tuple[Oddity, ...]
) -> ParsedFeed:
    kept = newest(drafts)
    entries = tuple(
        replace(one.finish(base="", language=None, position=position), marks=marks)
        for position, (one, marks) in enumerate(zip(kept, _marks(kept), strict=True))
    )
    warnings = list(odd)
    if len(kept) < len(drafts):
        warnings.append(Oddity("too-many-entries", f"only the newest {MAX_ENTRIES} of {len(drafts)} entries were kept"))
    for mark, what in (("stale", "are more than two days older than the newest"), ("shopping", "advertise products")):
        if count := sum(mark in entry.marks for entry in entries):
            warnings.append(Oddity(f"{mark}-items", f"{count} of {len(entries)} entries {what}"))
    if entries and (bare := sum(not entry.title for entry in entries)):
        warnings.append(Oddity("no-title", f"{bare} of {len(entries)} entries have no title: their pages must tell it"))
    if undated := sum(entry.published_at is None for entry in entries):
        warnings.append(Oddity("no-date", f"{undated} of {len(entries)} entries have no date"))
    hosts = Counter(urls.host(entry.url) for entry in entries)
    languages = Counter(entry.language for entry in entries if entry.language)
    host = _most_common(hosts)
    return ParsedFeed(
        kind="sitemap",
        title=fields.line(title),
        home_url=next((_site(entry.url) for entry in entries if urls.host(entry.url) == host), None),
        language=languages.most_common(1)[0][0] if len(languages) == 1 else None,
        entries=entries,
        warnings=tuple(warnings),
        children=_ordered(children),
    )


def _marks(drafts: list[Draft]) -> list[tuple[str, ...]]:
    """What each entry is besides news: advertisement, or in a news sitemap something that should be gone from it."""
    dated = [one.published.at for one in drafts if one.published]
    oldest = max(dated) - _NEWS_WINDOW if dated else None
    return [
        ("stale",) * bool(oldest and one.published and one.published.at < oldest)
        + ("shopping",) * is_shopping(one.link)
        for one in drafts
    ]


def is_shopping(url: str) -> bool:
    """Whether an address lies in a section that sells: by whole path segments, never by words of a headline."""
    parts = urlsplit(url)
    host = (parts.hostname or "").split(".")
    return bool(_SHOPS & set(parts.path.lower().split("/")[:-1])) or host[0] in _SHOPS


def _ordered(children: dict[str, dates.ParsedDate | None]) -> tuple[str, ...]:
    """The children of an index, the newest first: news by name, then by lastmod, then by a date in the name."""

    def rank(address: str) -> tuple[bool, float, str]:
        changed = children[address]
        path = urlsplit(address).path.lower()
        named = max(_DATE_IN_NAME.findall(path), default="")
        return "news" in path, changed.at.timestamp() if changed else 0.0, named

    return tuple(sorted(children, key=rank, reverse=True))[:MAX_CHILDREN]


def _site(url: str) -> str | None:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _most_common(counted: Counter[str]) -> str:
    return next((name for name, _count in counted.most_common() if name), "")
