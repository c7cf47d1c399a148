"""What delivering takes: hands with connections and a journal, and handing over what is ready.

Rules: a wake-up is a hint, the deliveries are the truth. So every process that clocks or works also looks around now
and then (`hand_over`): it frees what dead workers held and asks for every chunk that is ready and has nobody at work.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from random import Random

import structlog

from digest.app.container import Container
from digest.app.relays import at_work, in_flight_of
from digest.deliver.journal import Journal, recover
from digest.deliver.policy import Policy
from digest.deliver.worker import Worker, signing_threads
from digest.engine.port import Engine
from digest.model.delivery import ChunkRef, Outcome
from digest.model.issue import Issue
from digest.store import chunks, deliveries, endings
from digest.store.engine import Tx

log = structlog.get_logger()

#: Objects made and not freed before the collector looks; Python's own 700 is meant for programs that make cycles.
_COLLECT_AFTER = 20_000
#: Chunks side by side share the process's sub-batch, down to this: a transaction for fewer costs more than it keeps.
_SMALLEST_BATCH = 20


@asynccontextmanager
async def hands(
    container: Container,
    *,
    stop: asyncio.Event,
    watch: Callable[[Sequence[Outcome]], None] = lambda _outcomes: None,
    waiting: Callable[[str], None] = lambda _reason: None,
    concurrency: int = 1,
) -> AsyncIterator[Worker]:
    """A worker with connections and a journal of its own, for ``concurrency`` chunks side by side."""
    settings = container.settings
    async with at_work(settings, container.store, container.counts, stop=stop, waiting=waiting) as (router, pacer):
        with (
            Journal(settings.path(settings.delivery.journal)) as journal,
            signing_threads() as signing,
            _few_collections(),
        ):
            yield Worker(
                store=container.store,
                pool=router,
                journal=journal,
                pacer=pacer,
                in_flight=-(-in_flight_of(settings) // concurrency),
                signing=signing,
                policy=Policy(
                    sub_batch=max(_SMALLEST_BATCH, Policy().sub_batch // concurrency),
                    on_doubt=settings.delivery.on_doubt,
                    doubt_pause=_doubt_pause(container),
                    retry_first=timedelta(seconds=settings.delivery.retry_first_s),
                    expire_after=timedelta(seconds=settings.delivery.expire_after_s),
                    lease_for=timedelta(seconds=settings.delivery.lease_s),
                ),
                rng=Random(),  # noqa: S311 - jitter, not a secret
                stop=stop,
                watch=container.counts.watching(watch),
            )


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let the garbage collector look at what is made while mails go out, and seldom: it took a tenth of their time.

    A mail makes no cycles; what the program is made of need not be walked through again and again.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def move_on(tx: Tx, container: Container, issue_id: int, *, now: datetime) -> None:
    """Move on what time has moved: leases of the dead, retries that are due, what has expired."""
    on_doubt = container.settings.delivery.on_doubt
    moved = deliveries.sweep(tx, issue_id, on_doubt=on_doubt, doubt_pause=_doubt_pause(container), now=now)
    if moved["doubted"]:
        log.warning("deliveries.doubted", issue=issue_id, count=moved["doubted"], why="their worker fell silent")
    container.counts.sweep({**moved, "expired": endings.expire(tx, issue_id, now=now)})


def hand_over(container: Container, engine: Engine, issue: Issue) -> int:
    """Sweep an issue and wake workers up for its idle chunks; returns how many those are. Repeatable anywhere."""
    settle_own(container)
    with container.store.write() as tx:
        if not chunks.may_sweep(tx, issue.id):
            return 0
        now = tx.now()
        move_on(tx, container, issue.id, now=now)
        idle = chunks.idle_chunks(tx, issue.id, now=now)
        engine.submit(tx, refs_of(issue, idle))
    container.counts.hand_over(len(idle))
    return len(idle)


def refs_of(issue: Issue, numbers: Sequence[int]) -> list[ChunkRef]:
    """Wake-ups for these chunks of an issue, as urgent as it is."""
    return [ChunkRef(issue.id, number, priority=issue.priority) for number in numbers]


def settle_own(container: Container) -> None:
    """Settle what dead processes of this machine left in their journals."""
    folder = container.settings.path(container.settings.delivery.journal)
    container.counts.recover(recover(container.store, folder, doubt_pause=_doubt_pause(container)))


def settle_ended(container: Container) -> None:
    """Settle what workers that died left open in issues that were cancelled or closed meanwhile."""
    with container.store.read() as tx:
        left = endings.unsettled(tx)
    if not left:
        return
    settle_own(container)
    for issue_id in left:
        with container.store.write() as tx:
            move_on(tx, container, issue_id, now=tx.now())


def _doubt_pause(container: Container) -> timedelta:
    return timedelta(seconds=container.settings.delivery.doubt_pause_s)
