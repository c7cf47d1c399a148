"""`digest serve`: the clock beside the web pages, in one process and one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from digest.app.clock import tick
from digest.app.container import Container
from digest.model.errors import DigestError

log = structlog.get_logger()

#: Seconds between turns. A digest is due to the minute, so a quarter of one is close enough.
TICK_S = 15


@asynccontextmanager
async def ticking(container: Container, *, every_s: float = TICK_S) -> AsyncIterator[None]:
    """Run the clock while the block lasts; on leaving, what is on the wire is finished and recorded.

    APScheduler keeps time only: one job in memory, never two turns at once (`max_instances`), missed turns
    coalesce. What is due is decided by the database alone, so a restart loses nothing.
    """
    stop = asyncio.Event()
    running: set[asyncio.Task[None]] = set()

    async def turn() -> None:
        task = asyncio.current_task()
        if task:
            running.add(task)
        try:
            outcome = await tick(container, stop=stop)
            for result in outcome.results:
                counts = {str(state): count for state, count in result.tally.counts.items() if count}
                log.info("issue.advanced", issue=result.issue.id, state=result.issue.state.value, **counts)
        except DigestError as error:
            log.warning("tick.failed", error=error.message, hint=error.hint)
        except Exception:
            log.exception("tick.broke")  # the edge of the loop: a fault of ours must not stop the clock
        finally:
            if task:
                running.discard(task)

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(turn, "interval", seconds=every_s, coalesce=True, max_instances=1, misfire_grace_time=None)
    scheduler.start()
    first = asyncio.create_task(turn())
    running.add(first)
    try:
        yield
    finally:
        stop.set()
        scheduler.shutdown(wait=False)
        if running:
            await asyncio.wait(set(running), timeout=60)
