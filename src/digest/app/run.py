"""The main job as a straight line: collect → curate → compose → deliver.

This module is meant to be read as prose. Each step commits its own result and may be run again after a crash:
it does nothing when the issue is past it (`app.line`).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from digest.app import line as steps
from digest.app.line import Line
from digest.app.relays import relay_of
from digest.deliver.chunk import Worker, deliver_chunk
from digest.deliver.journal import Journal, recover
from digest.deliver.letter import Letter
from digest.deliver.policy import Policy
from digest.model.delivery import ChunkRef, Tally
from digest.model.issue import Issue, IssueState
from digest.model.publication import Cadence
from digest.smtp.pool import Pool
from digest.store import deliveries

#: How long a run itself waits for retries before it leaves them to the next run or tick.
_PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How far an issue came. ``next_try_at`` is set when deliveries still wait for their next attempt."""

    issue: Issue
    tally: Tally
    next_try_at: datetime | None


async def run(line: Line, cadence: Cadence, *, by_clock: bool = False, stop: asyncio.Event | None = None) -> RunResult:
    """Bring the due issue of a cadence as far as it goes now. Raises NothingToDo when there is none."""
    issue = steps.open_due(line, cadence, by_clock=by_clock)
    return await advance(line, issue, stop=stop)


async def advance(line: Line, issue: Issue, *, stop: asyncio.Event | None = None) -> RunResult:
    """Take an issue from whatever state it is in through every step that is left."""
    issue = await steps.collect(line, issue)
    # In a thread: the pages of `digest serve` must answer while an issue is being curated or composed.
    issue = await asyncio.to_thread(steps.curate, line, issue)
    issue = await asyncio.to_thread(steps.compose, line, issue)
    issue = await asyncio.to_thread(steps.fan_out, line, issue)
    if issue.state is IssueState.SENDING:
        await deliver(line, issue, stop=stop or asyncio.Event())
        issue = await asyncio.to_thread(steps.close, line, issue)
    return _result(line, issue)


async def deliver(line: Line, issue: Issue, *, stop: asyncio.Event) -> None:
    """Send what can be sent, wait a little for what can soon be tried again, and leave the rest waiting."""
    line.watch.step("delivering")
    settings = line.container.settings
    letter = steps.letter_of(line, issue)
    line.watch.audience(issue.audience or 0)
    relay = relay_of(settings)
    journal = Journal(settings.path(settings.delivery.journal))
    async with Pool(relay) as pool:
        worker = Worker(
            store=line.container.store,
            pool=pool,
            journal=journal,
            in_flight=2 * relay.connections,
            policy=Policy(
                on_doubt=settings.delivery.on_doubt,
                retry_first=timedelta(seconds=settings.delivery.retry_first_s),
                expire_after=timedelta(seconds=settings.delivery.expire_after_s),
                lease_for=timedelta(seconds=settings.delivery.lease_s),
            ),
            rng=Random(),  # noqa: S311 - jitter, not a secret
            stop=stop,
            watch=line.watch.outcomes,
        )
        with journal:
            await _send_and_wait(line, issue, worker, letter)


async def _send_and_wait(line: Line, issue: Issue, worker: Worker, letter: Letter) -> None:
    while not worker.stop.is_set():
        wait = await asyncio.to_thread(_wake, line, issue)
        if wait is None or wait > _PATIENCE:
            return
        await line.engine.run(lambda ref: deliver_chunk(worker, ref, letter))
        await _sleep(wait, worker.stop)


def _wake(line: Line, issue: Issue) -> timedelta | None:
    """Sweep, and submit the chunks that are ready; gives the wait until there may be more, None for never."""
    settings = line.container.settings
    recover(line.container.store, settings.path(settings.delivery.journal))
    with line.container.store.write() as tx:
        now = tx.now()
        deliveries.sweep(tx, issue.id, on_doubt=settings.delivery.on_doubt, now=now)
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


def _result(line: Line, issue: Issue) -> RunResult:
    with line.container.store.read() as tx:
        tally = deliveries.tally(tx, issue.id)
        waiting = issue.state is IssueState.SENDING
        return RunResult(issue, tally, deliveries.next_wake(tx, issue.id) if waiting else None)
