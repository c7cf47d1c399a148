"""The clock: one turn looks at everything that may be due and does it. Any number of clocks may tick.

Rules: the first two bars against double sending (`store.issues`) make a second clock harmless. A turn never raises
for what one publication did: its trouble is logged once and the next publication gets its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import SystemRandom
from zoneinfo import ZoneInfo

import structlog

from digest.app import line as steps
from digest.app.answering import look_after_readers
from digest.app.collecting import collect
from digest.app.container import Container
from digest.app.line import Line, Watch
from digest.app.reader_mails import ReaderMails
from digest.app.run import RunResult, advance
from digest.app.session import HANDS, Session, delivering
from digest.app.work import settle_ended
from digest.collect import websub
from digest.collect.refresh import has_work, takes_hubs
from digest.engine.local import LocalEngine
from digest.engine.port import Engine
from digest.model.calendar import due_period
from digest.model.errors import DigestError, NothingToDo
from digest.model.issue import Issue
from digest.model.publication import Cadence
from digest.store import issues, publications

log = structlog.get_logger()

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The real time."""
    return datetime.now(UTC)


def clock_from(start: datetime | None) -> Clock:
    """The real clock, or one that starts at ``start`` and runs on from there (``--at``)."""
    if start is None:
        return system_clock
    began = system_clock()
    return lambda: start + (system_clock() - began)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn did: issues that were worked on, what went wrong, and sources fetched in between."""

    results: tuple[RunResult, ...]
    errors: tuple[tuple[str, DigestError], ...]
    fetched: int

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.results or self.errors or self.fetched)


async def tick(
    container: Container, *, clock: Clock = system_clock, watch: Watch | None = None, stop: asyncio.Event | None = None
) -> Turn:
    """One turn to its end: take everything that is due as far as it goes, side by side, then fetch due sources."""
    stop = stop or asyncio.Event()
    engine = LocalEngine()
    post = ReaderMails(container, engine)
    await asyncio.to_thread(look_after_readers, container, post, now=clock())
    waiting = await asyncio.to_thread(due_work, container, clock, watch or Watch(), engine=engine)
    async with delivering(container, engine, stop=stop, concurrency=HANDS) as session:
        done = await asyncio.gather(*(work_on(line, issue, stop=stop, session=session) for line, issue in waiting))
        await _see_notices(session)
    fetched = 0 if stop.is_set() else await poll(container, clock)
    results = tuple(one for one in done if isinstance(one, RunResult))
    errors = tuple(
        (line.publication.slug, one)
        for (line, _), one in zip(waiting, done, strict=True)
        if isinstance(one, DigestError)
    )
    return Turn(results, errors, fetched)


def due_work(container: Container, clock: Clock, watch: Watch, *, engine: Engine) -> list[tuple[Line, Issue]]:
    """Every issue to work on now, each with its line: opened for a due period, or left unfinished before."""
    settle_ended(container)
    with container.store.read() as tx:
        known = publications.list_all(tx)
    lines = [Line(container, publication, engine, clock, watch) for publication in known]
    return [(line, issue) for line in lines for issue in _due(line)]


async def work_on(
    line: Line, issue: Issue, *, stop: asyncio.Event, session: Session | None = None
) -> RunResult | DigestError | None:
    """Take one issue as far as it goes; its trouble is logged and given back. None: another process took it on."""
    try:
        own = line if line.watch.of is None else replace(line, watch=line.watch.of(issue))
        return await advance(own, issue, by_clock=True, stop=stop, session=session)
    except NothingToDo:
        return None
    except DigestError as error:
        slug = line.publication.slug
        log.warning("issue.stuck", issue=issue.id, publication=slug, error=error.message, hint=error.hint)
        line.container.counts.trouble(error)
        return error


async def _see_notices(session: Session) -> None:
    try:
        await session.see_notices()
    except DigestError as error:
        log.warning("notices.stuck", error=error.message, hint=error.hint)


def _due(line: Line) -> list[Issue]:
    """Issues to work on now: opened for a due period, or left unfinished by whoever worked on them before."""
    for cadence in line.publication.cadences:
        if not _began_before(line, cadence):
            continue
        try:
            steps.open_due(line, cadence, by_clock=True)
        except NothingToDo:
            continue
    with line.container.store.read() as tx:
        open_ones = [issue for issue in issues.unfinished(tx) if issue.publication_id == line.publication.id]
    return [issue for issue in open_ones if not steps.skip_late(line, issue)]


def _began_before(line: Line, cadence: Cadence) -> bool:
    """A publication made after a send time owes nobody the issue of that time."""
    period = due_period(cadence, ZoneInfo(line.publication.timezone), line.clock())
    return period.due_at >= line.publication.created_at


async def poll(container: Container, clock: Clock) -> int:
    """Fetch the sources whose time has come, so that a fast feed loses no article between two issues."""
    fetched = 0
    if takes_hubs(container.settings):
        await websub.keep_up(container.store, settings=container.settings, now=clock(), rng=SystemRandom())
    with container.store.read() as tx:
        known = publications.list_all(tx)
    for publication in known:
        with container.store.read() as tx:
            is_waited_for = has_work(tx, publication.id, now=clock())
        if is_waited_for:
            fetched += len(await collect(container, publication.id, now=clock()))
    return fetched
