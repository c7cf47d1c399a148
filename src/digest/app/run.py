"""The main job as a straight line: collect → curate → compose → deliver.

This module is meant to be read as prose. Each step commits its own result and may be run again after a crash:
it does nothing when the issue is past it (`app.line`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from digest.app import fence
from digest.app import line as steps
from digest.app.illustrating import illustrate
from digest.app.line import Line
from digest.app.session import Session, delivering
from digest.app.work import hand_over
from digest.deliver.routing import QuotaUsedUp
from digest.model.delivery import Tally
from digest.model.issue import Issue, IssueState
from digest.model.publication import Cadence
from digest.store import standing

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunResult:
    """How far an issue came. ``next_try_at`` is set when deliveries still wait for their next attempt.

    ``waiting`` says what it waits for: the relays' next day, or an editor.
    """

    issue: Issue
    tally: Tally
    next_try_at: datetime | None
    waiting: str = ""


async def run(line: Line, cadence: Cadence, *, by_clock: bool = False, stop: asyncio.Event | None = None) -> RunResult:
    """Bring the due issue of a cadence as far as it goes now. Raises NothingToDo when there is none."""
    issue = steps.open_due(line, cadence, by_clock=by_clock)
    return await advance(line, issue, by_clock=by_clock, stop=stop)


async def advance(
    line: Line,
    issue: Issue,
    *,
    by_clock: bool = False,
    stop: asyncio.Event | None = None,
    session: Session | None = None,
) -> RunResult:
    """Take an issue from whatever state it is in through every step that is left.

    ``by_clock``: obey the latest start. Where workers attend the line's engine it is handed over to them; else this
    call delivers, by ``session`` or by one of its own. Raises StoreUnavailable when the database is an older copy
    (`app.fence`).
    """
    await asyncio.to_thread(fence.refuse_restored, line, issue)
    issue = await steps.collect(line, issue)
    # In a thread: the pages of `digest serve` must answer while an issue is being curated or composed.
    issue = await asyncio.to_thread(steps.curate, line, issue)
    await illustrate(line, issue)
    issue = await asyncio.to_thread(steps.compose, line, issue)
    if by_clock and await asyncio.to_thread(steps.skip_late, line, issue):
        return _result(line, line.read_again(issue))
    if held := steps.waits_for_editors(line, issue):
        return replace(_result(line, issue), waiting=held)
    issue = await asyncio.to_thread(steps.fan_out, line, issue)
    if issue.state is IssueState.SENDING:
        await asyncio.to_thread(fence.begin, line, issue)
        used_up = None
        try:
            if line.engine.is_attended:
                await asyncio.to_thread(hand_over, line.container, line.engine, issue)
            else:
                used_up = await deliver(line, issue, stop=stop or asyncio.Event(), session=session)
        finally:
            await asyncio.shield(asyncio.to_thread(fence.note_sent, line, issue))
        issue = await asyncio.to_thread(steps.close, line, issue)
        return _result(line, issue, used_up)
    return _result(line, issue)


async def deliver(
    line: Line, issue: Issue, *, stop: asyncio.Event, session: Session | None = None
) -> QuotaUsedUp | None:
    """Send what can be sent, wait a little for what can soon be tried again, and leave the rest waiting.

    Gives what stands in the way when no relay may send more today.
    """
    watch = line.watch
    watch.step("delivering")
    watch.audience(issue.audience or 0)
    try:
        if session is not None:
            await session.see_through(issue, watch)
        else:
            async with delivering(line.container, line.engine, stop=stop) as own:
                await own.see_through(issue, watch)
    except QuotaUsedUp as used_up:
        if stop.is_set():
            return None
        log.info("delivery.waiting", issue=issue.id, reason=used_up.message)
        watch.waiting(used_up.message)
        return used_up
    return None


def _result(line: Line, issue: Issue, used_up: QuotaUsedUp | None = None) -> RunResult:
    with line.container.store.read() as tx:
        tally = standing.tally(tx, issue.id)
        waiting = issue.state is IssueState.SENDING
        next_try_at = (
            standing.next_wake(tx, issue.id, on_doubt=line.container.settings.delivery.on_doubt) if waiting else None
        )
    if used_up is None or not waiting:
        return RunResult(issue, tally, next_try_at)
    return RunResult(issue, tally, next_try_at or used_up.until, used_up.message)
