"""The sitemaps that a sitemap index lists: each with validators of its own, and none of them fatal."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from digest import feeds
from digest.collect.fetch import Fetcher
from digest.model.article import Child, Oddity, ParsedFeed, Source
from digest.model.errors import FeedMalformed, SourceUnreachable

#: The newest are listed first: yesterday's news is in one of them, the archive is in the rest.
MAX_CHILDREN = 5


@dataclass(frozen=True, slots=True)
class Children:
    """What was read of an index's sitemaps. ``feeds``: (address, sitemap) of those that have changed."""

    feeds: tuple[tuple[str, ParsedFeed], ...]
    records: tuple[Child, ...]
    warnings: tuple[Oddity, ...]


async def read_children(
    fetcher: Fetcher, source: Source, listed: Sequence[str], *, now: datetime, languages: Collection[str] = ()
) -> Children:
    """Read the first of the listed sitemaps. Raises SourceUnreachable when not one of them can be read."""
    known = {child.url: child for child in source.children}
    found: list[tuple[str, ParsedFeed]] = []
    records: list[Child] = []
    odd: list[Oddity] = []
    for url in list(dict.fromkeys(listed))[:MAX_CHILDREN]:
        child = known.get(url, Child(url))
        try:
            record, feed = await _read_child(fetcher, source, child, now=now, languages=languages)
        except (SourceUnreachable, FeedMalformed) as error:
            odd.append(Oddity("child-failed", f"a sitemap it lists cannot be read: {error}"))
            records.append(child)
            continue
        records.append(record)
        if feed is not None:
            found.append((url, feed))
    if records and len(odd) == len(records):
        raise SourceUnreachable(f"none of the sitemaps it lists can be read: {odd[0].message}", hint="check the site")
    return Children(tuple(found), tuple(records), tuple(odd))


async def _read_child(
    fetcher: Fetcher, source: Source, child: Child, *, now: datetime, languages: Collection[str]
) -> tuple[Child, ParsedFeed | None]:
    fetched = await fetcher.get(
        child.url, etag=child.etag, last_modified=child.last_modified, insecure_tls=source.insecure_tls
    )
    if fetched.body is None:
        told = (fetched.etag or child.etag, fetched.last_modified or child.last_modified)
        return replace(child, etag=told[0], last_modified=told[1]), None
    record = Child(child.url, fetched.etag, fetched.last_modified, fetched.body_hash)
    if fetched.body_hash == child.body_hash:
        return record, None
    feed = await asyncio.to_thread(
        feeds.parse,
        fetched.body,
        url=fetched.url,
        content_type=fetched.content_type,
        fetched_at=now,
        languages=languages,
    )
    return record, feed
