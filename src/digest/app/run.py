"""The main job as a straight line: collect → curate → compose → deliver.

This module is meant to be read as prose. Each step commits its own result and may be run again after a crash:
it does nothing when the issue is past it (`app.line`).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from digest.app import fence
from digest.app import line as steps
from digest.app.line import Line
from digest.app.work import hand_over, hands, move_on, settle_own
from digest.deliver.chunk import Worker, deliver_chunk
from digest.deliver.letter import Letter
from digest.deliver.routing import QuotaUsedUp
from digest.model.delivery import ChunkRef, Tally
from digest.model.issue import Issue, IssueState
from digest.model.publication import Cadence
from digest.store import deliveries

log = structlog.get_logger()

#: How long a run itself waits for retries before it leaves them to the next run or tick.
_PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How far an issue came. ``next_try_at`` is set when deliveries still wait for their next attempt.

    ``waiting`` says why nothing more could be sent today, when it is the relays' daily quota.
    """

    issue: Issue
    tally: Tally
    next_try_at: datetime | None
    waiting: str = ""


async def run(line: Line, cadence: Cadence, *, by_clock: bool = False, stop: asyncio.Event | None = None) -> RunResult:
    """Bring the due issue of a cadence as far as it goes now. Raises NothingToDo when there is none."""
    issue = steps.open_due(line, cadence, by_clock=by_clock)
    return await advance(line, issue, by_clock=by_clock, stop=stop)


async def advance(line: Line, issue: Issue, *, by_clock: bool = False, stop: asyncio.Event | None = None) -> RunResult:
    """Take an issue from whatever state it is in through every step that is left.

    ``by_clock``: obey the latest start. Raises StoreUnavailable when the database is an older copy (`app.fence`).
    """
    await asyncio.to_thread(fence.refuse_restored, line, issue)
    issue = await steps.collect(line, issue)
    # In a thread: the pages of `digest serve` must answer while an issue is being curated or composed.
    issue = await asyncio.to_thread(steps.curate, line, issue)
    issue = await asyncio.to_thread(steps.compose, line, issue)
    if by_clock and await asyncio.to_thread(steps.skip_late, line, issue):
        return _result(line, line.read_again(issue))
    issue = await asyncio.to_thread(steps.fan_out, line, issue)
    if issue.state is IssueState.SENDING:
        await asyncio.to_thread(fence.begin, line, issue)
        used_up = None
        try:
            if line.engine.is_local:
                used_up = await deliver(line, issue, stop=stop or asyncio.Event())
            else:
                await asyncio.to_thread(hand_over, line.container, line.engine, issue.id)
        finally:
            await asyncio.shield(asyncio.to_thread(fence.note_sent, line, issue))
        issue = await asyncio.to_thread(steps.close, line, issue)
        return _result(line, issue, used_up)
    return _result(line, issue)


async def deliver(line: Line, issue: Issue, *, stop: asyncio.Event) -> QuotaUsedUp | None:
    """Send what can be sent, wait a little for what can soon be tried again, and leave the rest waiting.

    Gives what stands in the way when no relay may send more today.
    """
    line.watch.step("delivering")
    letter = steps.letter_of(line, issue)
    line.watch.audience(issue.audience or 0)
    watch = line.watch
    try:
        async with hands(line.container, stop=stop, watch=watch.outcomes, waiting=watch.waiting) as worker:
            await _send_and_wait(line, issue, worker, letter)
    except QuotaUsedUp as used_up:
        if stop.is_set():
            return None
        log.info("delivery.waiting", issue=issue.id, reason=used_up.message)
        watch.waiting(used_up.message)
        return used_up
    return None


async def _send_and_wait(line: Line, issue: Issue, worker: Worker, letter: Letter) -> None:
    while not worker.stop.is_set():
        wait = await asyncio.to_thread(_wake, line, issue)
        if wait is None or wait > _PATIENCE:
            return
        await line.engine.run_worker(lambda ref: deliver_chunk(worker, ref, letter), concurrency=1, stop=worker.stop)
        await _sleep(wait, worker.stop)


def _wake(line: Line, issue: Issue) -> timedelta | None:
    """Sweep, and submit the chunks that are ready; gives the wait until there may be more, None for never."""
    settle_own(line.container)
    with line.container.store.write() as tx:
        now = tx.now()
        move_on(tx, line.container, issue.id, now=now)
        chunks = deliveries.ready_chunks(tx, issue.id, now=now)
        line.engine.submit(tx, [ChunkRef(issue.id, chunk) for chunk in chunks])
        if chunks:
            return timedelta()
        wake_at = deliveries.next_wake(tx, issue.id)
    return None if wake_at is None else max(timedelta(), wake_at - now)


async def _sleep(wait: timedelta, stop: asyncio.Event) -> None:
    if wait:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=wait.total_seconds() + 0.05)


def _result(line: Line, issue: Issue, used_up: QuotaUsedUp | None = None) -> RunResult:
    with line.container.store.read() as tx:
        tally = deliveries.tally(tx, issue.id)
        waiting = issue.state is IssueState.SENDING
        next_try_at = deliveries.next_wake(tx, issue.id) if waiting else None
    if used_up is None or not waiting:
        return RunResult(issue, tally, next_try_at)
    return RunResult(issue, tally, next_try_at or used_up.until, used_up.message)
