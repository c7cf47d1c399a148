"""`digest serve`: the clock beside the web pages, in one process and one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from digest.app.answering import look_after_readers
from digest.app.clock import Clock, due_work, poll, system_clock, work_on
from digest.app.container import Container
from digest.app.line import Line, Watch
from digest.app.reader_mails import ReaderMails
from digest.app.run import RunResult
from digest.app.session import HANDS, keep_delivering
from digest.app.watching import watch_local
from digest.engine.local import LocalEngine
from digest.engine.port import Engine
from digest.model.errors import DigestError
from digest.model.issue import Issue

log = structlog.get_logger()

#: Seconds between turns. A digest is due to the minute, so a quarter of one is close enough.
TICK_S = 15
#: How long stopping waits for what is on the wire: longer than most relays think about a final dot.
_FINISH_S = 60


class Clockwork:
    """Starts what is due and never waits for it: a long send must not hold back another publication's hour."""

    def __init__(self, container: Container, clock: Clock = system_clock, *, engine: Engine) -> None:
        self._container = container
        self._clock = clock
        self._engine = engine
        self._post = ReaderMails(container, engine)
        self._stop = asyncio.Event()
        self._running: dict[object, asyncio.Task[None]] = {}

    async def turn(self) -> None:
        """Look at what is due and start whatever of it is not being worked on here already."""
        try:
            waiting = await asyncio.to_thread(due_work, self._container, self._clock, Watch(), engine=self._engine)
        except DigestError as error:
            self._trouble(error)
            self._container.counts.turn("failed", at=time.time())
            return
        self._container.counts.turn("done", at=time.time())
        for line, issue in waiting:
            self._start(issue.id, self._work(line, issue))
        self._start("poll", self._poll())
        self._start("readers", self._look_after_readers())

    async def finish(self) -> None:
        """Start nothing more; let what is on the wire be answered and recorded."""
        self._stop.set()
        if self._running:
            _, left = await asyncio.wait(set(self._running.values()), timeout=_FINISH_S)
            if left:
                log.warning("clock.gave_up", tasks=len(left), after_s=_FINISH_S)

    def _start(self, name: object, job: Coroutine[Any, Any, None]) -> None:
        if self._stop.is_set() or name in self._running:
            job.close()
            return
        task = self._running[name] = asyncio.create_task(self._guarded(job))
        task.add_done_callback(lambda _done: self._running.pop(name, None))

    async def _guarded(self, job: Coroutine[Any, Any, None]) -> None:
        try:
            await job
        except DigestError as error:
            self._trouble(error)
        except Exception:
            log.exception("tick.broke")  # the edge of the loop: a fault of ours must not stop the clock

    def _trouble(self, error: DigestError) -> None:
        log.warning("tick.failed", error=error.message, hint=error.hint)
        self._container.counts.trouble(error)

    async def _work(self, line: Line, issue: Issue) -> None:
        result = await work_on(line, issue, stop=self._stop)
        if isinstance(result, RunResult):
            counts = {str(state): count for state, count in result.tally.counts.items() if count}
            log.info("issue.advanced", issue=result.issue.id, state=result.issue.state.value, **counts)

    async def _poll(self) -> None:
        fetched = await poll(self._container, self._clock)
        if fetched:
            log.info("sources.polled", count=fetched)

    async def _look_after_readers(self) -> None:
        await asyncio.to_thread(look_after_readers, self._container, self._post, now=self._clock())


@asynccontextmanager
async def ticking(
    container: Container, *, every_s: float = TICK_S, engine: Engine | None = None
) -> AsyncIterator[None]:
    """Run the clock while the block lasts; on leaving, what is on the wire is finished and recorded.

    ``engine``: the one whose workers deliver; None when this process does it by itself, with one session for all
    issues and notices.

    APScheduler keeps time only: one job in memory, never two turns at once (`max_instances`), missed turns
    coalesce. What is due is decided by the database alone, so a restart loses nothing.
    """
    stop = asyncio.Event()
    attended = engine or LocalEngine(attended=True)
    works = Clockwork(container, engine=attended)
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(works.turn, "interval", seconds=every_s, coalesce=True, max_instances=1, misfire_grace_time=None)
    scheduler.start()
    log.info("clock.started", every_s=every_s, delivers=engine is None)
    delivery = None
    if engine is None:
        session = keep_delivering(container, attended, concurrency=HANDS, stop=stop)
        delivery = asyncio.create_task(session, name="delivery")
    await works.turn()
    watcher = asyncio.create_task(_watching(container), name="watcher")
    try:
        yield
    finally:
        watcher.cancel()
        scheduler.shutdown(wait=False)
        stop.set()
        await works.finish()
        await asyncio.gather(watcher, return_exceptions=True)
        if delivery is not None:
            await asyncio.wait([delivery], timeout=_FINISH_S)
        log.info("clock.stopped")


async def _watching(container: Container) -> None:
    try:
        await watch_local(container)
    except Exception:  # the clock reads local sources as well: without this, only later
        log.exception("watch.broke")
