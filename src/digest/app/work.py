"""`digest worker`: hands that deliver what a clock somewhere made ready, on as many machines as wanted.

Rules: a wake-up is a hint, the deliveries are the truth. So every process that clocks or works also looks around now
and then (`hand_over`): it frees what dead workers held and asks for every chunk that is ready and has nobody at work.
Trouble with the relay or the database ends a session: what was not sent is given back, and after a pause the next
session begins with new connections and with the journal of the last one settled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import structlog

from digest.app import fence
from digest.app import line as steps
from digest.app.container import Container
from digest.app.line import Line
from digest.app.relays import carrier, connections_of
from digest.deliver.chunk import Worker, deliver_chunk
from digest.deliver.journal import Journal, recover
from digest.deliver.letter import Letter
from digest.deliver.policy import Policy
from digest.engine.port import Engine
from digest.model.delivery import ChunkRef, Outcome
from digest.model.errors import DigestError
from digest.model.issue import IssueState
from digest.store import chunks, deliveries, issues, publications, rulings
from digest.store.engine import Tx

log = structlog.get_logger()

#: Seconds between looks around, and the pause after trouble; shorter where leases are shorter.
_LOOK_S = 15.0


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
    async with carrier(settings, container.store, stop=stop, waiting=waiting) as pool:
        with Journal(settings.path(settings.delivery.journal)) as journal:
            yield Worker(
                store=container.store,
                pool=pool,
                journal=journal,
                in_flight=-(-2 * connections_of(settings) // concurrency),
                policy=Policy(
                    on_doubt=settings.delivery.on_doubt,
                    retry_first=timedelta(seconds=settings.delivery.retry_first_s),
                    expire_after=timedelta(seconds=settings.delivery.expire_after_s),
                    lease_for=timedelta(seconds=settings.delivery.lease_s),
                ),
                rng=Random(),  # noqa: S311 - jitter, not a secret
                stop=stop,
                watch=watch,
            )


def move_on(tx: Tx, container: Container, issue_id: int, *, now: datetime) -> None:
    """Move on what time has moved: leases of the dead, retries that are due, what has expired."""
    deliveries.sweep(tx, issue_id, on_doubt=container.settings.delivery.on_doubt, now=now)
    rulings.expire(tx, issue_id, now=now)


def hand_over(container: Container, engine: Engine, issue_id: int) -> int:
    """Sweep an issue and wake workers up for its idle chunks; returns how many those are. Repeatable anywhere."""
    settle_own(container)
    with container.store.write() as tx:
        if not chunks.may_sweep(tx, issue_id):
            return 0
        now = tx.now()
        move_on(tx, container, issue_id, now=now)
        idle = chunks.idle_chunks(tx, issue_id, now=now)
        engine.submit(tx, [ChunkRef(issue_id, chunk) for chunk in idle])
    return len(idle)


def settle_own(container: Container) -> None:
    """Settle what dead processes of this machine left in their journals."""
    recover(container.store, container.settings.path(container.settings.delivery.journal))


async def work(container: Container, engine: Engine, *, concurrency: int, stop: asyncio.Event) -> None:
    """Deliver until ``stop`` is set, whatever goes wrong meanwhile. Raises ConfigInvalid before anything starts."""
    carrier(container.settings, container.store, stop=stop)
    pause = _pause_s(container)
    while not stop.is_set():
        try:
            await _session(container, engine, concurrency=concurrency, stop=stop)
        except DigestError as error:
            log.warning("worker.held_up", error=error.message, hint=error.hint, again_in_s=pause)
            await _sleep(pause, stop)


def _pause_s(container: Container) -> float:
    return min(_LOOK_S, float(container.settings.delivery.lease_s))


@dataclass(slots=True)
class _Session:
    """What the tasks of one session share. ``halt`` ends it; ``trouble`` is why, unless we were told to stop."""

    container: Container
    engine: Engine
    worker: Worker
    halt: asyncio.Event
    trouble: DigestError | None = None
    letters: dict[int, Letter] = field(default_factory=dict)
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def deliver(self, ref: ChunkRef) -> None:
        """Work on one chunk."""
        letter = await self._letter(ref.issue_id)
        if letter is not None:
            await self.guarded(deliver_chunk(self.worker, ref, letter))

    async def guarded(self, job: Awaitable[None]) -> None:
        """The edge of the loop: whatever goes wrong ends the session, so that its journal is settled by the next."""
        try:
            await job
        except DigestError as error:
            self._end(error)
        except Exception:
            log.exception("worker.broke")
            self._end(
                DigestError("a fault of this program stopped the worker", hint="see the log line before this one")
            )

    def _end(self, trouble: DigestError) -> None:
        self.trouble = self.trouble or trouble
        self.halt.set()

    async def _letter(self, issue_id: int) -> Letter | None:
        """The letter of an issue that is being sent, loaded once; None where there is nothing to send."""
        async with self.loading:
            if issue_id not in self.letters:
                try:
                    letter = await asyncio.to_thread(self._load, issue_id)
                except DigestError as error:
                    # One issue's trouble; the others go on.
                    log.warning("issue.stuck", issue=issue_id, error=error.message, hint=error.hint)
                    return None
                if letter is None:
                    return None
                self.letters[issue_id] = letter
            return self.letters[issue_id]

    def _load(self, issue_id: int) -> Letter | None:
        with self.container.store.read() as tx:
            issue = issues.get(tx, issue_id)
            publication = publications.by_id(tx, issue.publication_id)
        if issue.state is not IssueState.SENDING:
            return None  # a wake-up from before it was paused or closed
        line = Line(self.container, publication, self.engine, lambda: datetime.now(UTC))
        fence.begin(line, issue)
        return steps.letter_of(line, issue)

    async def look_around(self) -> None:
        """Now and then: hand over whatever is ready, and forget issues that are done."""
        pause = _pause_s(self.container)
        while not self.halt.is_set():
            await self.guarded(self._look())
            await _sleep(pause, self.halt)

    async def _look(self) -> None:
        sending = await asyncio.to_thread(self._hand_over_all)
        for issue_id in self.letters.keys() - sending:
            del self.letters[issue_id]

    def _hand_over_all(self) -> set[int]:
        with self.container.store.read() as tx:
            sending = {issue.id for issue in issues.unfinished(tx) if issue.state is IssueState.SENDING}
        for issue_id in sending:
            hand_over(self.container, self.engine, issue_id)
        return sending


async def _session(container: Container, engine: Engine, *, concurrency: int, stop: asyncio.Event) -> None:
    halt = asyncio.Event()

    async def pass_on() -> None:
        await stop.wait()
        halt.set()

    await asyncio.to_thread(settle_own, container)
    async with hands(container, stop=halt, concurrency=concurrency) as worker:
        session = _Session(container, engine, worker, halt)
        stopping = asyncio.create_task(pass_on())
        looking = asyncio.create_task(session.look_around())
        try:
            await engine.run_worker(session.deliver, concurrency=concurrency, stop=halt)
        finally:
            halt.set()
            stopping.cancel()
            await looking
    if session.trouble is not None:
        raise session.trouble


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout=seconds)
