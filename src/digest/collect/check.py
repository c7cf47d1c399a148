"""Trying a source before anybody relies on it: `digest source check` and `digest source add`.

A wrong address fails here, while the operator still looks at it, and nothing is written then.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urljoin

from digest import feeds
from digest.collect import children
from digest.collect.fetch import Fetched, Fetcher
from digest.collect.local import parse_files, read_files
from digest.config.settings import Settings
from digest.feeds import detect, discovery, repair
from digest.feeds.detect import Document
from digest.feeds.localfile import SUFFIXES
from digest.model.article import ParsedFeed, Source, SourceKind
from digest.model.errors import BadInput, FeedMalformed, SourceUnreachable
from digest.store import sources
from digest.store.engine import Store
from digest.text import url as urls
from digest.text.sanitise import clean_line

MAX_TRIES = 10  # addresses that adding a source guesses at, one after the other

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_LOOKS_LIKE_HOST = re.compile(r"^(?:[\w-]+\.)+[a-z]{2,24}(?:/|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """A document that was tried. ``url`` is what a source should keep: the feed's address or the absolute path."""

    url: str
    kind: SourceKind
    feed: ParsedFeed
    note: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """A source that was added, with what was found there. ``note`` says what we did that was not asked for."""

    source: Source
    feed: ParsedFeed
    note: str = ""


async def check(
    address: str, *, settings: Settings, now: datetime, base: str | None = None, as_article: bool = False
) -> ParsedFeed:
    """Read an address, file or folder and say what is in it, of any kind; keeps nothing.

    Relative links of a file are read against ``base``. ``as_article``: a web page is read as one article, whatever
    else it lists. Raises BadInput, SourceUnreachable or FeedMalformed.
    """
    kind, location = locate(address)
    if kind is None:
        async with Fetcher(settings.collect, base_url=settings.site.base_url) as fetcher:
            fetched = await fetcher.get(location)
        return await asyncio.to_thread(
            feeds.examine,
            fetched.body or b"",
            url=fetched.url,
            content_type=fetched.content_type,
            fetched_at=now,
            as_article=as_article,
        )
    path = Path(location)
    if kind is SourceKind.FOLDER:
        return await asyncio.to_thread(_read_local, path, settings)
    ((name, raw),) = await asyncio.to_thread(read_files, path, max_bytes=settings.collect.max_bytes)
    return await asyncio.to_thread(feeds.examine, raw, url=base or "", fetched_at=now, name=name, as_article=as_article)


async def add_source(
    store: Store,
    publication_id: int,
    address: str,
    *,
    settings: Settings,
    now: datetime,
    weight: float = 1.0,
    topic: str | None = None,
    title: str | None = None,
) -> Added:
    """Try an address, then add it as a source of a publication, due at once.

    A web page that names exactly one feed stands for that feed. Raises as `check` does, and AlreadyExists,
    NotFound (unknown topic); nothing is written then.
    """
    found = await find(address, settings=settings, now=now)
    return await asyncio.to_thread(_add, store, publication_id, found, now=now, weight=weight, topic=topic, title=title)


async def find(address: str, *, settings: Settings, now: datetime) -> Found:
    """Where an address leads: itself, the one feed its page names, a feed or news sitemap of its site, or its list.

    Raises as `check` does; FeedMalformed also for a page that names several feeds, with their addresses.
    """
    kind, location = locate(address)
    if kind is not None:
        feed = await asyncio.to_thread(_read_local, Path(location), settings)
        return Found(location, kind, feed)
    async with Fetcher(settings.collect, base_url=settings.site.base_url) as fetcher:
        fetched = await fetcher.get(location)
        try:
            feed = await asyncio.to_thread(_parse, fetched, now)
        except FeedMalformed as error:
            text = await asyncio.to_thread(_page_text, fetched)
            if text is None:
                raise
            return await _find_from_page(fetcher, fetched, text, error=error, now=now)
        feed = await _with_newest(fetcher, feed, now=now)
    return Found(location, SourceKind(feed.kind), feed)


async def _find_from_page(
    fetcher: Fetcher, fetched: Fetched, page: str, *, error: FeedMalformed, now: datetime
) -> Found:
    named = await asyncio.to_thread(discovery.named, page, fetched.url)
    if len(named) > 1:
        raise FeedMalformed(
            f"{fetched.url} is a web page that names {len(named)} feeds",
            hint=f"add one of them: {', '.join(named)}",
        )
    if named:
        feed = await asyncio.to_thread(_parse, await fetcher.get(named[0]), now)
        return Found(
            named[0], SourceKind(feed.kind), feed, note=f"{fetched.url} is a web page; using its feed {named[0]}"
        )
    candidates = await asyncio.to_thread(discovery.candidates, page, fetched.url)
    if found := await _first_feed(fetcher, candidates[:MAX_TRIES], now=now):
        return replace(found, note=f"{fetched.url} is a web page; found its feed {found.url}")
    try:
        feed = await asyncio.to_thread(_parse, fetched, now, is_page=True)
    except FeedMalformed:
        if found := await _news_sitemap(fetcher, fetched.url, now=now):
            return replace(found, note=f"{fetched.url} is a web page; found its news sitemap {found.url}")
        raise error from None
    return Found(fetched.url, SourceKind.PAGE, feed, note="no feed found: reading the list of articles on the page")


async def _with_newest(fetcher: Fetcher, feed: ParsedFeed, *, now: datetime) -> ParsedFeed:
    """An index of sitemaps with what its newest one says: an index alone has neither a name nor articles."""
    if feed.entries or not feed.children:
        return feed
    failure: SourceUnreachable | FeedMalformed | None = None
    for child in feed.children[: children.MAX_CHILDREN]:
        try:
            newest = await asyncio.to_thread(_parse, await fetcher.get(child), now)
        except (SourceUnreachable, FeedMalformed) as error:
            failure = failure or error
            continue
        return _named_as(feed, newest)
    raise failure or FeedMalformed("the sitemap index lists nothing", hint="add one of the site's sitemaps")


def _named_as(feed: ParsedFeed, newest: ParsedFeed) -> ParsedFeed:
    return replace(
        feed,
        title=feed.title or newest.title,
        home_url=feed.home_url or newest.home_url,
        language=feed.language or newest.language,
        entries=newest.entries,
    )


async def _first_feed(fetcher: Fetcher, candidates: Iterable[str], *, now: datetime) -> Found | None:
    """The first of these addresses that is a feed with articles in it; the others are only guesses."""
    for candidate in candidates:
        try:
            feed = await asyncio.to_thread(_parse, await fetcher.get(candidate), now)
            feed = await _with_newest(fetcher, feed, now=now)
        except (SourceUnreachable, FeedMalformed):
            continue
        if any(entry.title for entry in feed.entries):
            return Found(candidate, SourceKind(feed.kind), feed)
    return None


async def _news_sitemap(fetcher: Fetcher, url: str, *, now: datetime) -> Found | None:
    """A sitemap with headlines that the site's robots.txt names."""
    robots_url = urljoin(url, "/robots.txt")
    try:
        fetched = await fetcher.get(robots_url)
    except SourceUnreachable:
        return None
    robots = (fetched.body or b"").decode("utf-8", "replace")
    return await _first_feed(fetcher, discovery.sitemaps(robots, robots_url)[:MAX_TRIES], now=now)


def locate(address: str) -> tuple[SourceKind | None, str]:
    """(FILE or FOLDER, absolute path), or (None, address) for the web. Raises BadInput or SourceUnreachable."""
    address = address.strip()
    if not address:
        raise BadInput("the address is empty", hint="give a feed address, a file or a folder")
    scheme = _SCHEME.match(address)
    if scheme and scheme.group(1).lower() in {"http", "https"}:
        if not urls.absolute("", address):
            raise BadInput(f"{address!r} is not a web address", hint="write it as https://example.com/feed.xml")
        return None, address
    if scheme and scheme.group(1).lower() != "file":
        raise BadInput(f"{scheme.group(1)}:// addresses cannot be read", hint="use http://, https:// or a path")
    path = Path(address.removeprefix("file://")).expanduser().absolute()
    if path.is_dir():
        return SourceKind.FOLDER, str(path)
    if path.exists():
        return SourceKind.FILE, str(path)
    if _LOOKS_LIKE_HOST.match(address) and path.suffix.lower() not in SUFFIXES:
        raise SourceUnreachable(f"there is no file {path}", hint=f"if you mean the web, write https://{address}")
    raise SourceUnreachable(f"there is no file or folder {path}", hint="check the path")


def _parse(fetched: Fetched, now: datetime, *, is_page: bool = False) -> ParsedFeed:
    return feeds.parse(
        fetched.body or b"", url=fetched.url, content_type=fetched.content_type, fetched_at=now, is_page=is_page
    )


def _page_text(fetched: Fetched) -> str | None:
    """The text of a web page; None for another document."""
    text, _odd = repair.decode(fetched.body or b"", content_type=fetched.content_type)
    return text if detect.sniff(text).document is Document.WEB_PAGE else None


def _read_local(path: Path, settings: Settings) -> ParsedFeed:
    return parse_files(read_files(path, max_bytes=settings.collect.max_bytes))


def _add(
    store: Store,
    publication_id: int,
    found: Found,
    *,
    now: datetime,
    weight: float,
    topic: str | None,
    title: str | None,
) -> Added:
    name = clean_line(title or found.feed.title) or _name_from(found)
    with store.write() as tx:
        source = sources.add(
            tx,
            found.kind,
            url=found.url,
            title=name,
            home_url=found.feed.home_url,
            language=found.feed.language,
            now=now,
        )
        sources.link(tx, publication_id, source.id, weight=weight, topic_slug=topic)
        return Added(source=source, feed=found.feed, note=found.note)


def _name_from(found: Found) -> str:
    if found.kind.is_local:
        return Path(found.url).stem.replace("-", " ").replace("_", " ").strip().capitalize() or found.url
    return urls.host(found.url) or found.url
