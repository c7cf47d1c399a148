"""What came of a source goes into the ledger, and what it tells of itself beside it, in one transaction.

The same path for everything: a document that was fetched, files of this machine, and what a hub delivers.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import structlog

from digest.collect import ingest, schedule
from digest.collect.fetch import Fetched
from digest.collect.reports import Outcome, SourceReport, failed
from digest.collect.troubles import FetchFailed, Trouble, without_password
from digest.feeds.fulltext import needs_page
from digest.model import health
from digest.model.article import Child, NewArticle, Oddity, ParsedArticle, ParsedFeed, Source, SourceKind
from digest.model.errors import DigestError
from digest.store import audit, pages, sources, websub
from digest.store.engine import Store, Tx
from digest.store.pages import Wanted
from digest.text import url as urls

_log = structlog.get_logger()

#: A permanent redirect is believed when it was there on so many polls over so long (F6).
MOVED_POLLS, MOVED_AFTER = 3, timedelta(hours=24)
#: Pages that one look at a source may ask for: of a long sitemap read for the first time, the newest.
PAGES_AT_ONCE = 100
#: Articles older than this when their page could be asked for are left as they are: they are no news any more.
_PAGE_WITHIN = timedelta(days=2)
_FEEDS = frozenset({SourceKind.RSS, SourceKind.ATOM, SourceKind.RDF, SourceKind.JSON, SourceKind.SITEMAP})
#: With a hub that tells of news, the feed itself is only looked at to be sure (F24).
_WITH_HUB = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was read of a source: the document, and the feeds that are in it (an index's children have their own base).

    ``feeds``: (address it was read at, feed). Empty: nothing has changed. ``body_hash`` and ``children`` stay as they
    are when None. ``is_delivered``: a hub brought it, so it says nothing of the next look or of the whole document.
    """

    fetched: Fetched
    feeds: Sequence[tuple[str, ParsedFeed]] = ()
    body_hash: str | None = None
    children: tuple[Child, ...] | None = None
    warnings: tuple[Oddity, ...] = ()
    full_text: bool = False
    wants_hub: bool = False
    is_delivered: bool = False


def take(store: Store, source: Source, taken: Taken, *, now: datetime, rng: Random) -> SourceReport:
    """Store what was read, and when to come back. Repeating it changes nothing but the time of the next look."""
    fetched = taken.fetched
    items = [
        (ingest.prepare(feed, base=base, now=now), feed)
        for base, feed in ((base, _in_zone(feed, source.timezone)) for base, feed in taken.feeds)
    ]
    floor = schedule.floor(now=now, fresh_for=fetched.fresh_for)
    wishes = [timedelta(seconds=feed.ttl_s) for _, feed in items if feed.ttl_s]
    new = updated = merged = 0
    is_same = fetched.body is None  # a 304 may leave out what has not changed
    with store.write() as tx:
        if taken.wants_hub and taken.body_hash is not None:  # an unchanged document names the hub it named before
            _note_hub(tx, source, taken, now=now)
        if websub.is_active(tx, source.id, now=now):
            wishes.append(_WITH_HUB)
        if items:
            _learn(tx, source, items[0][1])
            new, updated, merged = _record(tx, source, items, full_text=taken.full_text, now=now)
        if not taken.is_delivered:
            sources.record_success(
                tx,
                source.id,
                at=now,
                next_poll_at=schedule.next_check(now=now, wishes=(fetched.fresh_for, *wishes), floor=floor, rng=rng),
                not_before=floor,
                etag=fetched.etag or (source.etag if is_same else None),
                last_modified=fetched.last_modified or (source.last_modified if is_same else None),
                body_hash=taken.body_hash,
                item_count=sum(len(feed.entries) for _, feed in items) if items and taken.body_hash else None,
                children=taken.children,
            )
            _follow_move(tx, source, fetched.moved_to, now=now)
    warnings = tuple(odd for _, feed in items for odd in feed.warnings) + taken.warnings
    return SourceReport(
        source_id=source.id,
        title=source.title,
        url=source.url,
        outcome=Outcome.FETCHED if items else Outcome.UNCHANGED,
        new=new,
        updated=updated,
        merged=merged,
        warnings=warnings,
    )


def fail(store: Store, source: Source, error: DigestError, *, now: datetime, rng: Random) -> SourceReport:
    """Note a failure, and when to try again. A host that is held is not the source's failure, and costs it nothing."""
    trouble = error.trouble if isinstance(error, FetchFailed) else None
    if trouble is Trouble.HELD:
        return failed(source, error, Outcome.WAITING)
    floor = None
    if isinstance(error, FetchFailed):
        floor = schedule.floor(now=now, fresh_for=error.fresh_for, retry_after=error.retry_after)
    is_gone = trouble is Trouble.GONE
    with store.write() as tx:
        sources.record_failure(
            tx,
            source.id,
            at=now,
            error=str(error),
            next_poll_at=schedule.next_try(now=now, failures=source.failures + 1, floor=floor, rng=rng),
            not_before=floor,
            is_gone=is_gone,
        )
    if is_gone:
        _log.warning("source.gone", source=source.id, error=str(error))
    else:
        _log.warning("source.failed", source=source.id, error=str(error))
    return failed(source, error)


def _record(
    tx: Tx, source: Source, items: list[tuple[list[NewArticle], ParsedFeed]], *, full_text: bool, now: datetime
) -> tuple[int, int, int]:
    """Articles, pages to be fetched, and the source's habit. Gives (new, updated, brought by others before)."""
    new = updated = 0
    for prepared, feed in items:
        full = pages.with_full_texts(tx, prepared, now=now)
        done = ingest.store(tx, source.id, full, now=now)
        new, updated = new + done.new, updated + done.updated
        if full_text and source.full_text:
            wanted = _wanted(feed, prepared)
            pages.ask_for(tx, source.id, wanted, first_seen_from=now - _PAGE_WITHIN, now=now)
    seen, merged = sources.seen_now(tx, source.id, at=now)
    if seen:
        sources.record_news(tx, source.id, at=now, gaps=health.with_news(source, now=now))
    return new, updated, merged


def _learn(tx: Tx, source: Source, feed: ParsedFeed) -> None:
    """An imported source is an RSS feed until it is read, and says by itself where it is at home."""
    if source.kind in _FEEDS and feed.kind in _FEEDS:
        sources.learn(tx, source, kind=SourceKind(feed.kind), home_url=feed.home_url, language=feed.language)


def _in_zone(feed: ParsedFeed, name: str | None) -> ParsedFeed:
    """The feed, with times that say no zone read as the source's local time."""
    if name is None:
        return feed
    zone = ZoneInfo(name)
    return replace(feed, entries=tuple(_local(entry, zone) for entry in feed.entries))


def _local(entry: ParsedArticle, zone: ZoneInfo) -> ParsedArticle:
    if entry.published_at is None or entry.published_has_zone:
        return entry
    return replace(entry, published_at=entry.published_at.replace(tzinfo=zone).astimezone(UTC), published_has_zone=True)


def _wanted(feed: ParsedFeed, prepared: list[NewArticle]) -> list[Wanted]:
    """The pages that entries need. One address for several entries is no article's page."""
    known: dict[str, NewArticle | None] = {}
    for one in prepared:
        known[one.canonical_url] = None if one.canonical_url in known else one
    wanted: list[Wanted] = []
    for entry in feed.entries:
        canonical = urls.canonical(entry.url)
        if not needs_page(entry):
            continue
        if canonical not in known:
            wanted.append(Wanted(urls.untracked(entry.url), canonical, None))
        elif (new := known[canonical]) is not None:
            wanted.append(Wanted(new.url, canonical, new))
    return [replace(one, is_passed=place >= PAGES_AT_ONCE) for place, one in enumerate(wanted)]


def _follow_move(tx: Tx, source: Source, target: str | None, *, now: datetime) -> None:
    """Believe a permanent redirect once it has stayed; one poll without it, and the count begins anew."""
    if target is None or target == source.url:
        if source.moved_to is not None:
            sources.record_redirect(tx, source.id, moved_to=None, moved_since=None, moved_seen=0)
        return
    since, seen = (source.moved_since or now, source.moved_seen + 1) if target == source.moved_to else (now, 1)
    if seen < MOVED_POLLS or now - since < MOVED_AFTER:
        sources.record_redirect(tx, source.id, moved_to=target, moved_since=since, moved_seen=seen)
        return
    subject, before, after = f"source:{source.id}", without_password(source.url), without_password(target)
    if sources.move(tx, source.id, url=target):
        detail = f"from {before} to {after}: permanently redirected on {seen} polls since {since:%Y-%m-%d %H:%M} UTC"
        audit.note(tx, at=now, actor=audit.COLLECTOR, action="source.moved", subject=subject, detail=detail)
        _log.info("source.moved", source=source.id, polls=seen)
        return
    sources.record_redirect(tx, source.id, moved_to=target, moved_since=since, moved_seen=seen)
    if not any(entry.action == "source.doubled" for entry in audit.of_subject(tx, subject)):  # told once
        detail = f"{before} is permanently redirected to {after}, which another source has already: remove one"
        audit.note(tx, at=now, actor=audit.COLLECTOR, action="source.doubled", subject=subject, detail=detail)


def _note_hub(tx: Tx, source: Source, taken: Taken, *, now: datetime) -> None:
    """Note which hub the document names: in its Link headers, else in itself (WebSub §4)."""
    first = taken.feeds[0][1] if taken.feeds else None
    hub = urls.absolute(taken.fetched.url, taken.fetched.links.get("hub") or (first and first.hub_url) or "")
    topic = taken.fetched.links.get("self") or (first and first.self_url) or taken.fetched.url
    if hub:
        websub.want(
            tx,
            source.id,
            hub_url=hub,
            topic_url=urls.absolute(taken.fetched.url, topic) or taken.fetched.url,
            token=secrets.token_hex(16),
            secret=secrets.token_hex(32),
            now=now,
        )
