"""First stage of the line: fetch the due sources of a publication and store what is new.

Each source is its own small transaction and its own fate: one that fails is noted, backed off, and reported;
the others and the issue go on. Running it again is safe at any time.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import structlog

from digest import feeds
from digest.collect import ingest
from digest.collect.fetch import Fetched, Fetcher, read_files
from digest.collect.ingest import Counts
from digest.config.settings import Settings
from digest.model.article import Oddity, ParsedArticle, ParsedFeed, Source
from digest.model.errors import DigestError, FeedMalformed, SourceUnreachable, StoreUnavailable
from digest.store import sources
from digest.store.engine import Store

_log = structlog.get_logger()

AT_ONCE = 8
MIN_INTERVAL = timedelta(minutes=15)
MAX_INTERVAL = timedelta(hours=24)


class Outcome(StrEnum):
    """How fetching a source ended."""

    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source in one run. ``error`` is set, in plain words, when it failed."""

    source_id: int
    title: str
    url: str
    outcome: Outcome
    new: int = 0
    updated: int = 0
    error: str | None = None
    hint: str | None = None
    warnings: tuple[Oddity, ...] = ()


Progress = Callable[[SourceReport], None]


async def refresh(
    store: Store,
    publication_id: int,
    *,
    settings: Settings,
    now: datetime,
    all_sources: bool = False,
    progress: Progress | None = None,
) -> list[SourceReport]:
    """Fetch the due sources of a publication (``all_sources``: every one not paused), 8 at once, 1 to a host.

    Reports come in the order of the sources; ``progress`` gets each as soon as it is there.
    """
    with store.read() as tx:
        found = sources.active(tx, publication_id) if all_sources else sources.due(tx, publication_id, now)
    gate = asyncio.Semaphore(AT_ONCE)

    async with Fetcher(settings.collect, base_url=settings.site.base_url) as fetcher:

        async def one(source: Source) -> SourceReport:
            async with gate:
                report = await _refresh_one(store, source, fetcher=fetcher, settings=settings, now=now)
            if progress:
                progress(report)
            return report

        return list(await asyncio.gather(*(one(source) for source in found)))


async def _refresh_one(
    store: Store, source: Source, *, fetcher: Fetcher, settings: Settings, now: datetime
) -> SourceReport:
    try:
        if source.kind.is_local:
            return await asyncio.to_thread(_refresh_local, store, source, settings=settings, now=now)
        fetched = await fetcher.get(source.url, etag=source.etag, last_modified=source.last_modified)
        return await asyncio.to_thread(_take, store, source, fetched, now=now)
    except (SourceUnreachable, FeedMalformed) as error:
        return await asyncio.to_thread(_fail, store, source, error, now=now)
    except (StoreUnavailable, asyncio.CancelledError):
        raise  # not the source's fault: the whole run stops
    except Exception as error:  # noqa: BLE001 - edge of the loop: a fault met in one feed must not cost the others
        _log.exception("source.crashed", source=source.id)
        return await asyncio.to_thread(_fail, store, source, _unexpected(error), now=now)


def _take(store: Store, source: Source, fetched: Fetched, *, now: datetime) -> SourceReport:
    """Parse and store a fetched document, unless it is the one we had."""
    if fetched.body is None or fetched.body_hash == source.body_hash:
        with store.write() as tx:
            sources.record_success(
                tx,
                source.id,
                at=now,
                next_poll_at=now + interval(None, fetched.max_age_s),
                etag=fetched.etag or source.etag,
                last_modified=fetched.last_modified or source.last_modified,
            )
        return _report(source, Outcome.UNCHANGED)
    feed = feeds.parse(fetched.body, url=fetched.url, content_type=fetched.content_type, fetched_at=now)
    prepared = ingest.prepare(feed, base=fetched.url, now=now)
    with store.write() as tx:
        counts = ingest.store(tx, source.id, prepared, now=now)
        sources.record_success(
            tx,
            source.id,
            at=now,
            next_poll_at=now + interval(feed.ttl_s, fetched.max_age_s),
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            body_hash=fetched.body_hash,
            item_count=len(feed.entries),
        )
    return _report(source, Outcome.FETCHED, counts=counts, warnings=feed.warnings)


def _refresh_local(store: Store, source: Source, *, settings: Settings, now: datetime) -> SourceReport:
    files = read_files(Path(source.url), max_bytes=settings.collect.max_bytes)
    body_hash = files_hash(files)
    if body_hash == source.body_hash:
        with store.write() as tx:
            sources.record_success(
                tx, source.id, at=now, next_poll_at=now + MIN_INTERVAL, etag=None, last_modified=None
            )
        return _report(source, Outcome.UNCHANGED)
    feed = parse_files(files)
    prepared = ingest.prepare(feed, base="", now=now)
    with store.write() as tx:
        counts = ingest.store(tx, source.id, prepared, now=now)
        sources.record_success(
            tx,
            source.id,
            at=now,
            next_poll_at=now + MIN_INTERVAL,
            etag=None,
            last_modified=None,
            body_hash=body_hash,
            item_count=len(feed.entries),
        )
    return _report(source, Outcome.FETCHED, counts=counts, warnings=feed.warnings)


def parse_files(files: list[tuple[str, bytes]]) -> ParsedFeed:
    """Local files as one feed; a file that is no article becomes a warning, unless it is the only one."""
    entries: list[ParsedArticle] = []
    odd: list[Oddity] = []
    title, home, language = "", None, None
    for name, raw in files:
        try:
            parsed = feeds.parse_file(raw, name=name)
        except FeedMalformed as error:
            if len(files) == 1:
                raise
            odd.append(Oddity("file-skipped", str(error)))
            continue
        entries += parsed.entries
        title, home, language = parsed.title, parsed.home_url, parsed.language
    if not entries:
        raise FeedMalformed(f"none of the {len(files)} files is an article", hint=odd[0].message if odd else "")
    if len(files) > 1:  # what one file says of its site does not hold for a folder
        title, home, language = "", None, None
    return ParsedFeed("article", title, home, language, tuple(entries), tuple(odd))


def files_hash(files: list[tuple[str, bytes]]) -> str:
    """Hex SHA-256 over names and contents."""
    whole = hashlib.sha256()
    for name, raw in files:
        whole.update(hashlib.sha256(name.encode("utf-8", "replace")).digest())
        whole.update(hashlib.sha256(raw).digest())
    return whole.hexdigest()


def interval(ttl_s: int | None, max_age_s: int | None) -> timedelta:
    """Time to the next poll: the longest of ours (15 min), the feed's ttl and the server's max-age; at most 24 h."""
    asked = timedelta(seconds=max(ttl_s or 0, max_age_s or 0))
    return min(max(MIN_INTERVAL, asked), MAX_INTERVAL)


def back_off(failures: int) -> timedelta:
    """Time to the next try after so many failures in a row: 1, 2, 4 … 24 h."""
    return min(timedelta(hours=2 ** min(failures - 1, 5)), MAX_INTERVAL)


def _fail(store: Store, source: Source, error: DigestError, *, now: datetime) -> SourceReport:
    with store.write() as tx:
        sources.record_failure(tx, source.id, error=str(error), next_poll_at=now + back_off(source.failures + 1))
    _log.warning("source.failed", source=source.id, error=str(error))
    return _report(source, Outcome.FAILED, error=error)


def _unexpected(error: Exception) -> SourceUnreachable:
    return SourceUnreachable(
        f"reading this source failed unexpectedly ({type(error).__name__})", hint="please report it, with the address"
    )


def _report(
    source: Source,
    outcome: Outcome,
    *,
    counts: Counts | None = None,
    error: DigestError | None = None,
    warnings: tuple[Oddity, ...] = (),
) -> SourceReport:
    counts = counts or Counts()
    return SourceReport(
        source_id=source.id,
        title=source.title,
        url=source.url,
        outcome=outcome,
        new=counts.new,
        updated=counts.updated,
        error=str(error) if error else None,
        hint=error.hint if error else None,
        warnings=warnings,
    )
