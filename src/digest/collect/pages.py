"""Full texts: the pages of articles of which a feed holds only the beginning (collection.md F20).

They wait in the database, so each is fetched once, whatever happens meanwhile; what the feed itself says is in the
ledger before. Within a run they are fetched host by host, one at a time and with pauses, beside the feeds and within
the run's deadline. Reading them is left to other processes.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog

from digest.collect import ingest
from digest.collect.extracting import Extractor
from digest.collect.fetch import Fetched, Fetcher, Purpose
from digest.collect.troubles import FetchFailed, Trouble, host_key, host_of
from digest.feeds.fulltext import REASONS, FullText, better, verdict
from digest.model.article import Article, ParsedArticle, ParsedFeed, Source
from digest.model.errors import DigestError, FeedMalformed, StoreUnavailable
from digest.model.fetching import Page, PageState
from digest.store import articles
from digest.store import pages as stored
from digest.store.engine import Store, Tx

_log = structlog.get_logger()

#: Hosts from which pages come at once, and pages that are read while others come.
HOSTS_AT_ONCE, READ_AT_ONCE = 16, 8
#: Pages of one source in one run; the rest waits for the next.
PER_RUN = 100
_MAX_TRIES = 3
_FIRST_RETRY = timedelta(hours=1)
#: What passes by itself; everything else is settled at once.
_PASSING = frozenset(
    {Trouble.TOO_MANY, Trouble.UNAVAILABLE, Trouble.SERVER, Trouble.DEAD, Trouble.TIME, Trouble.BROKEN}
)
_READABLE = ("text/", "html", "xml")


@dataclass(frozen=True, slots=True)
class _Job:
    page: Page
    source: Source


class PageRun:
    """The pages of one run. `add` puts a source's waiting pages in line, `finish` waits until all are done."""

    def __init__(self, store: Store, *, fetcher: Fetcher, extractor: Extractor, now: datetime) -> None:
        self._store = store
        self._fetcher = fetcher
        self._extractor = extractor
        self._now = now
        self._lines: dict[str, deque[_Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(HOSTS_AT_ONCE)
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        self._stopped_by: BaseException | None = None
        self.taken: Counter[int] = Counter()

    async def add(self, source: Source) -> None:
        """Fetch what waits of a source, from now on."""
        for page in await asyncio.to_thread(self._waiting, source.id):
            name = host_key(page.url)
            if name in self._lines:
                self._lines[name].append(_Job(page, source))
            else:
                self._lines[name] = deque([_Job(page, source)])
                self._start(self._work_off(name))

    async def finish(self) -> None:
        """Wait until every page is done. Raises what stopped the work (StoreUnavailable)."""
        while self._tasks and self._stopped_by is None:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._stopped_by is not None:
            raise self._stopped_by

    async def stop(self) -> None:
        """Give up what is not done; it waits for the next run."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._stopped_by = self._stopped_by or error

    def _waiting(self, source_id: int) -> list[Page]:
        with self._store.read() as tx:
            return stored.waiting(tx, source_id, now=self._now, limit=PER_RUN)

    async def _work_off(self, name: str) -> None:
        """Fetch the pages of one host one after another; each is read while the next one comes."""
        line = self._lines[name]
        while line:
            job = line.popleft()
            async with self._gate:
                fetched = await self._fetch(job)
            if fetched is not None:
                await self._reading.acquire()
                self._start(self._read(job, fetched))
        del self._lines[name]

    async def _fetch(self, job: _Job) -> Fetched | None:
        own_host = host_of(job.page.url) == host_of(job.source.url)
        try:
            fetched = await self._fetcher.get(
                job.page.url, purpose=Purpose.PAGE, insecure_tls=job.source.insecure_tls and own_host
            )
        except FetchFailed as failure:
            await asyncio.to_thread(self._put_off, job.page, failure)
            return None
        kind = fetched.content_type.partition(";")[0].strip().lower()
        looks_like_one = (fetched.body or b"").lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
        if not looks_like_one and not any(word in kind for word in _READABLE):
            await asyncio.to_thread(self._give_up, job.page, f"it is {kind[:60] or 'something'}, not a web page")
            return None
        return fetched

    async def _read(self, job: _Job, fetched: Fetched) -> None:
        try:
            found = await self._extractor.extract(
                fetched.body or b"", url=fetched.url, content_type=fetched.content_type
            )
            if await asyncio.to_thread(self._take, job.page, found):
                self.taken[job.source.id] += 1
        except FeedMalformed as error:
            await asyncio.to_thread(self._give_up, job.page, str(error))
        except StoreUnavailable:
            raise
        except DigestError as error:  # no process can be started: nothing is wrong with the page, it goes on waiting
            _log.warning("page.unread", page=job.page.url_hash, error=str(error))
        except Exception as error:  # noqa: BLE001 - the edge: a fault met in one page must not cost the others
            _log.exception("page.crashed", page=job.page.url_hash)
            await asyncio.to_thread(self._give_up, job.page, f"reading it failed ({type(error).__name__})")
        finally:
            self._reading.release()

    def _take(self, page: Page, found: ParsedArticle) -> bool:
        """Give the article its page's text, where that is the better one. False: the feed's own was kept."""
        with self._store.write() as tx:
            known = articles.by_ids(tx, [page.article_id]) if page.article_id is not None else []
            if page.article_id is not None and not known:
                stored.settle(tx, page, state=PageState.FAILED, now=self._now, detail="its article is gone")
                return False
            return self._enrich(tx, page, known[0], found) if known else self._found(tx, page, found)

    def _enrich(self, tx: Tx, page: Page, article: Article, found: ParsedArticle) -> bool:
        own = _as_parsed(article)
        best, became = better(own, found), verdict(own, found)
        is_taken = became is FullText.TAKEN
        if best != own:
            (new,) = ingest.prepare(_alone(best), base=page.url, now=self._now)
            if not is_taken:  # it is still the feed's text, by which the feed will be compared
                new = replace(new, content_hash=page.feed_hash or new.content_hash)
            articles.enrich(tx, article.id, new)
        state = PageState.TAKEN if is_taken else PageState.KEPT
        detail = "" if is_taken else REASONS[became]
        stored.settle(tx, page, state=state, now=self._now, detail=detail)
        return is_taken

    def _found(self, tx: Tx, page: Page, found: ParsedArticle) -> bool:
        """An article of which only the address was known."""
        entry = replace(found, guid=page.url, url=_address(page.url, found.url))
        prepared = ingest.prepare(_alone(entry), base=page.url, now=self._now)
        if not entry.title.strip() or not prepared:
            stored.settle(tx, page, state=PageState.FAILED, now=self._now, detail="there is no article on the page")
            return False
        ingest.store(tx, page.source_id, prepared, now=self._now)
        stored.settle(tx, page, state=PageState.TAKEN, now=self._now)
        return True

    def _put_off(self, page: Page, failure: FetchFailed) -> None:
        if failure.trouble is Trouble.HELD:
            return  # it was not asked: nothing is known that was not known before
        wait = max(_FIRST_RETRY * 2**page.tries, failure.retry_after or timedelta())
        again = failure.trouble in _PASSING and page.tries + 1 < _MAX_TRIES
        with self._store.write() as tx:
            stored.settle(
                tx,
                page,
                state=PageState.WAITING if again else PageState.FAILED,
                now=self._now,
                detail=str(failure),
                next_try_at=self._now + wait if again else None,
            )

    def _give_up(self, page: Page, detail: str) -> None:
        with self._store.write() as tx:
            stored.settle(tx, page, state=PageState.FAILED, now=self._now, detail=detail)


def _alone(entry: ParsedArticle) -> ParsedFeed:
    return ParsedFeed("article", "", None, entry.language, (entry,))


def _as_parsed(article: Article) -> ParsedArticle:
    """What the feed said of an article, as the ledger has it."""
    return ParsedArticle(
        guid=article.url,
        url=article.url,
        title=article.title,
        summary=article.summary,
        content_html=article.content_html,
        author=article.author,
        published_at=article.published_at,
        published_is_day=article.published_is_day,
        image_url=article.image_url,
        image_alt=article.image_alt,
        language=article.language,
        labels=article.labels,
        position=article.position,
    )


def _address(fetched_from: str, canonical: str) -> str:
    """The page's own word for its address, unless it names another site or its front page: templates get it wrong."""
    try:
        path = urlsplit(canonical).path
    except ValueError:
        return fetched_from
    return canonical if path not in {"", "/"} and host_of(canonical) == host_of(fetched_from) else fetched_from
