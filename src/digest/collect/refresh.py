"""First stage of the line: fetch the due sources of a publication and store what is new.

Each source is its own small transaction and its own fate: one that fails is noted, backed off, and reported;
the others and the issue go on. A run ends by its deadline with what is there by then. Running it again is safe at
any time, and asks nobody who does not want to be asked yet.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from random import Random, SystemRandom
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiohttp.abc import AbstractResolver

from digest import feeds
from digest.collect import children, local
from digest.collect.extracting import Extractor
from digest.collect.fetch import Fetched, Fetcher, Purpose
from digest.collect.hosts import Hosts
from digest.collect.pages import PageRun
from digest.collect.reports import Outcome, Progress, SourceReport, failed
from digest.collect.taking import Taken, fail, take
from digest.collect.troubles import FetchFailed, Trouble, host_key, host_of
from digest.config.collecting import WebSubMode
from digest.config.settings import Settings
from digest.model.article import Child, Oddity, ParsedFeed, Source, SourceKind
from digest.model.errors import FeedMalformed, SourceUnreachable, StoreUnavailable
from digest.store import pages as page_store
from digest.store import sources
from digest.store.engine import Store, Tx

__all__ = ["Outcome", "SourceReport", "has_work", "refresh", "takes_hubs"]

_log = structlog.get_logger()

#: Sources at once. Most of the time is waiting: with 32, fifty dead hosts of a thousand cost under a minute.
AT_ONCE = 32
#: A host that took no connection so many times in a row is left alone for the rest of the run: a server with fifty
#: feeds that is switched off would cost fifty times five seconds, and each feed has its turn in a later run.
DEAD_AFTER = 2
_NOT_PUBLIC = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".test", ".invalid", ".example")


def has_work(tx: Tx, publication_id: int, *, now: datetime) -> bool:
    """Whether a run would have something to do: a source that is due, or a page that waits."""
    if sources.due(tx, publication_id, now):
        return True
    waiting = page_store.sources_waiting(tx, now=now)
    return any(source.id in waiting for source in sources.active(tx, publication_id))


async def refresh(
    store: Store,
    publication_id: int,
    *,
    settings: Settings,
    now: datetime,
    all_sources: bool = False,
    only: frozenset[int] | None = None,
    skip: frozenset[int] = frozenset(),
    progress: Progress | None = None,
    rng: Random | None = None,
    resolver: AbstractResolver | None = None,
) -> list[SourceReport]:
    """Fetch the due sources of a publication (``all_sources``: every one that may be asked), one at a time a host.

    ``only`` narrows it to sources with these keys, ``skip`` leaves some out. Reports come in the order of the
    sources; ``progress`` gets each as soon as it is there. It takes at most ``collect.deadline_s``.
    """
    found, with_pages = await asyncio.to_thread(_chosen, store, publication_id, now, all_sources=all_sources)
    found, with_pages = (
        [one for one in some if one.id not in skip and (only is None or one.id in only)] for some in (found, with_pages)
    )
    hosts = Hosts(store, clock=lambda: now)
    fetcher = Fetcher(
        settings.collect, base_url=settings.site.base_url, hosts=hosts, resolver=resolver, clock=lambda: now
    )
    async with fetcher, Extractor() as extractor:
        run = _Run(
            store=store,
            settings=settings,
            fetcher=fetcher,
            pages=PageRun(store, fetcher=fetcher, extractor=extractor, now=now),
            now=now,
            rng=rng or SystemRandom(),
            progress=progress,
            reports={},
        )
        await run.through(found, with_pages)
    return [
        replace(run.reports[source.id], pages=run.pages.taken[source.id])
        for source in found
        if source.id in run.reports
    ]


def takes_hubs(settings: Settings) -> bool:
    """Whether hubs are asked to tell us of news: our callback must be where they can reach it."""
    mode = settings.collect.websub
    if mode is not WebSubMode.AUTO:
        return mode is WebSubMode.ON
    host = urlsplit(settings.site.base_url).hostname or ""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_NOT_PUBLIC)


def _chosen(
    store: Store, publication_id: int, now: datetime, *, all_sources: bool
) -> tuple[list[Source], list[Source]]:
    """(sources to look at, other sources of which pages wait)."""
    with store.read() as tx:
        active = sources.active(tx, publication_id)
        found = active if all_sources else sources.due(tx, publication_id, now)
        waiting = page_store.sources_waiting(tx, now=now)
    chosen = {source.id for source in found}
    return found, [source for source in active if source.id in waiting and source.id not in chosen]


@dataclass(slots=True)
class _Run:
    """What the sources of one run share."""

    store: Store
    settings: Settings
    fetcher: Fetcher
    pages: PageRun
    now: datetime
    rng: Random
    progress: Progress | None
    reports: dict[int, SourceReport]
    dead: Counter[str] = field(default_factory=Counter)

    async def through(self, found: Sequence[Source], with_pages: Sequence[Source]) -> None:
        """Look at all of them, host by host, until they are done or the time is up."""
        gate = asyncio.Semaphore(AT_ONCE)
        lines: defaultdict[str, list[Source]] = defaultdict(list)
        for source in found:
            lines[f"file:{source.id}" if source.kind.is_local else host_key(source.url)].append(source)

        async def work_off(line: list[Source]) -> None:
            for source in line:
                async with gate:
                    self._tell(await self._look_at(source))
                await self.pages.add(source)

        async def everything() -> None:
            async with asyncio.TaskGroup() as group:
                for source in with_pages:
                    group.create_task(self.pages.add(source))
                for line in lines.values():
                    # Longest waiting first: where a host stops us half-way, the others have their turn next time.
                    group.create_task(work_off(sorted(line, key=lambda one: one.next_poll_at)))
            await self.pages.finish()

        await self._in_time(everything())
        for source in found:
            if source.id not in self.reports:
                self._tell(self._late(source))

    async def _in_time(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(self.settings.collect.deadline_s):
                await work
        except TimeoutError:
            _log.warning("collect.deadline", after_s=self.settings.collect.deadline_s)
        except ExceptionGroup as group:
            stopped = group.subgroup(StoreUnavailable)
            raise (stopped or group).exceptions[0] from group
        finally:
            await self.pages.stop()

    def _tell(self, report: SourceReport) -> None:
        self.reports[report.source_id] = report
        if self.progress:
            self.progress(report)

    def _late(self, source: Source) -> SourceReport:
        limit = self.settings.collect.deadline_s
        error = SourceUnreachable(
            f"it was not done when the run's {limit:g} seconds were over",
            hint="it is looked at again in the next run; raise collect.deadline_s if that happens often",
        )
        return failed(source, error, Outcome.LATE)

    async def _look_at(self, source: Source) -> SourceReport:
        if source.not_before is not None and source.not_before > self.now:
            until = f"{source.not_before:%Y-%m-%d %H:%M} UTC"
            error = SourceUnreachable(f"not asked: its server wants no visit before {until}", hint="nothing to do")
            return failed(source, error, Outcome.WAITING)
        if self.dead[host_key(source.url)] >= DEAD_AFTER:
            host = host_of(source.url)
            error = SourceUnreachable(f"not asked: {host} takes no connections", hint="the next run tries it")
            return failed(source, error, Outcome.WAITING)
        try:
            taken = await self._read(source)
            return await asyncio.to_thread(take, self.store, source, taken, now=self.now, rng=self.rng)
        except (SourceUnreachable, FeedMalformed) as error:
            return await asyncio.to_thread(fail, self.store, source, error, now=self.now, rng=self.rng)
        except StoreUnavailable:
            raise  # not the source's fault: the whole run stops
        except Exception as error:  # noqa: BLE001 - edge of the loop: a fault met in one feed must not cost the others
            _log.exception("source.crashed", source=source.id)
            unexpected = SourceUnreachable(
                f"reading this source failed unexpectedly ({type(error).__name__})",
                hint="please report it, with the address",
            )
            return await asyncio.to_thread(fail, self.store, source, unexpected, now=self.now, rng=self.rng)

    async def _read(self, source: Source) -> Taken:
        if source.kind.is_local:
            return await asyncio.to_thread(self._read_local, source)
        fetched = await self._fetch(source)
        body_hash, feed = fetched.body_hash, None
        if body_hash is not None and body_hash != source.body_hash:
            feed = await asyncio.to_thread(self._parse, source, fetched)
        listed = feed.children if feed is not None else tuple(child.url for child in source.children)
        own = ((fetched.url, feed),) if feed is not None else ()
        below: tuple[Child, ...] | None = () if feed is not None else None
        odd: tuple[Oddity, ...] = ()
        if listed:
            read = await children.read_children(
                self.fetcher, source, listed, now=self.now, languages=self.settings.collect.languages
            )
            own, below, odd = (*own, *read.feeds), read.records, read.warnings
        return Taken(
            fetched,
            own,
            body_hash=body_hash,
            children=below,
            warnings=odd,
            full_text=self.settings.collect.full_text,
            wants_hub=takes_hubs(self.settings),
        )

    async def _fetch(self, source: Source) -> Fetched:
        """The source's document; a dead http address is tried over https once (NewsBlur #2132)."""
        name = host_key(source.url)
        try:
            fetched = await self._get(source, source.url)
        except FetchFailed as failure:
            self.dead[name] = self.dead[name] + 1 if failure.trouble is Trouble.DEAD else 0
            if failure.trouble is not Trouble.DEAD or not source.url.startswith("http://"):
                raise
            secure = source.url.replace("http://", "https://", 1)
            try:
                fetched = await self._get(source, secure)
            except FetchFailed:
                raise failure from None
            return replace(fetched, moved_to=fetched.moved_to or secure)
        self.dead[name] = 0
        return fetched

    async def _get(self, source: Source, url: str) -> Fetched:
        return await self.fetcher.get(
            url,
            etag=source.etag,
            last_modified=source.last_modified,
            purpose=Purpose.PAGE if source.kind is SourceKind.PAGE else Purpose.FEED,
            insecure_tls=source.insecure_tls and host_of(url) == host_of(source.url),
        )

    def _parse(self, source: Source, fetched: Fetched) -> ParsedFeed:
        return feeds.parse(
            fetched.body or b"",
            url=fetched.url,
            content_type=fetched.content_type,
            fetched_at=self.now,
            is_page=source.kind is SourceKind.PAGE,
            languages=self.settings.collect.languages,
        )

    def _read_local(self, source: Source) -> Taken:
        files = local.read_files(Path(source.url), max_bytes=self.settings.collect.max_bytes)
        body_hash = local.files_hash(files)
        if body_hash == source.body_hash:
            return Taken(Fetched("", None))
        return Taken(Fetched("", None), [("", local.parse_files(files))], body_hash=body_hash)
