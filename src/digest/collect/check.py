"""Trying a source before anybody relies on it: `digest source check` and `digest source add`.

A wrong address fails here, while the operator still looks at it, and nothing is written then.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from digest import feeds
from digest.collect.fetch import Fetched, Fetcher, read_files
from digest.collect.refresh import parse_files
from digest.config.settings import Settings
from digest.feeds import repair
from digest.feeds.localfile import SUFFIXES
from digest.model.article import ParsedFeed, Source, SourceKind
from digest.model.errors import BadInput, FeedMalformed, SourceUnreachable
from digest.store import sources
from digest.store.engine import Store
from digest.text import url as urls
from digest.text.sanitise import clean_line

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


async def check(address: str, *, settings: Settings, now: datetime, base: str | None = None) -> ParsedFeed:
    """Read a feed address, file or folder and say what is in it; keeps nothing.

    A file with another ending than an article's is read as a saved feed, its relative links against ``base``.
    Raises BadInput, SourceUnreachable or FeedMalformed (for a web page: naming the feeds it names).
    """
    kind, location = locate(address)
    if kind is None:
        async with Fetcher(settings.collect, base_url=settings.site.base_url) as fetcher:
            return await asyncio.to_thread(_parse, await fetcher.get(location), now)
    path = Path(location)
    if kind is SourceKind.FILE and path.suffix.lower() not in SUFFIXES:
        ((_name, raw),) = await asyncio.to_thread(read_files, path, max_bytes=settings.collect.max_bytes)
        return await asyncio.to_thread(feeds.parse, raw, url=base or "", fetched_at=now)
    return await asyncio.to_thread(_read_local, path, settings)


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
    """Where an address leads: itself, or the one feed that its page names."""
    kind, location = locate(address)
    if kind is not None:
        feed = await asyncio.to_thread(_read_local, Path(location), settings)
        return Found(location, kind, feed)
    async with Fetcher(settings.collect, base_url=settings.site.base_url) as fetcher:
        fetched = await fetcher.get(location)
        try:
            feed = await asyncio.to_thread(_parse, fetched, now)
        except FeedMalformed:
            named = await asyncio.to_thread(_named_feeds, fetched)
            if not named:
                raise
            if len(named) > 1:
                raise FeedMalformed(
                    f"{location} is a web page that names {len(named)} feeds",
                    hint=f"add one of them: {', '.join(named)}",
                ) from None
            feed = await asyncio.to_thread(_parse, await fetcher.get(named[0]), now)
            return Found(
                named[0], SourceKind(feed.kind), feed, note=f"{location} is a web page; using its feed {named[0]}"
            )
    return Found(location, SourceKind(feed.kind), feed)


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


def _parse(fetched: Fetched, now: datetime) -> ParsedFeed:
    return feeds.parse(fetched.body or b"", url=fetched.url, content_type=fetched.content_type, fetched_at=now)


def _named_feeds(fetched: Fetched) -> tuple[str, ...]:
    text, _odd = repair.decode(fetched.body or b"", content_type=fetched.content_type)
    return feeds.discover(text, fetched.url)


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
