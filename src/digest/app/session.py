"""The delivering session: the one thing in a process that mails, whatever the process is.

`digest run` and `tick` see issues through with one, `serve` and `worker` keep one going. So a process has one set of
connections and one idea of each relay's rate, however many issues it delivers at once.

Rules: the engine's hands call `_wake` for one wake-up each. A chunk is worked on for one turn at most, then the rest
of it stands in line again, so no issue keeps a hand while another waits. Trouble with the relay or the database ends
the session: what was not sent is given back, and whoever keeps sessions going begins the next one after a pause, with
new connections and with the journal of the last one settled.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import structlog

from digest.app import fence
from digest.app import line as steps
from digest.app.container import Container
from digest.app.course import Courses
from digest.app.letters import Letters
from digest.app.line import Watch
from digest.app.relays import carrier
from digest.app.work import hand_over, hands, move_on, refs_of, settle_own
from digest.deliver.chunk import deliver_chunk
from digest.deliver.notices import send_notices
from digest.deliver.worker import Worker
from digest.engine.local import LocalEngine
from digest.engine.port import Engine, Ref
from digest.model.delivery import ChunkRef
from digest.model.errors import DigestError
from digest.model.issue import Issue, IssueState
from digest.model.notice import NoticeRef
from digest.store import deliveries, issues, notices, standing

log = structlog.get_logger()

#: How long a hand works on one chunk while others may wait: a turn costs four short transactions.
TURN_S = 5.0
#: Chunks side by side where several issues may be under way.
HANDS = 2
#: Seconds between looks around, and the pause after trouble; shorter where leases are shorter.
_LOOK_S = 15.0
#: Seconds between looks for notices of other processes, where no wake-up of theirs arrives.
_NOTICE_LOOK_S = 1.0
#: How long an issue is seen through to its retries before they are left to the next run or tick.
_PATIENCE = timedelta(seconds=20)


def look_pause_s(container: Container) -> float:
    """Seconds between looks around."""
    return min(_LOOK_S, float(container.settings.delivery.lease_s))


class Session:
    """Hands at work on an engine's wake-ups, from `run` or the first `see_through` until told to stop, or trouble.

    ``trouble`` is why it ended, unless it was told to. ``turn_s``: see `TURN_S`.
    """

    def __init__(
        self,
        container: Container,
        engine: Engine,
        *,
        stop: asyncio.Event,
        concurrency: int = 1,
        turn_s: float = TURN_S,
    ) -> None:
        self.trouble: DigestError | None = None
        self._container = container
        self._engine = engine
        self._stop = stop
        self._concurrency = concurrency
        self._turn_s = turn_s
        self._on_doubt = container.settings.delivery.on_doubt
        self._courses = Courses(container.store)
        self._halt = asyncio.Event()
        self._turns: set[asyncio.Event] = set()
        self._letters = Letters(container, engine)
        self._running: asyncio.Task[None] | None = None

    async def run(self, *, look_around: bool) -> None:
        """Work until told to stop or until trouble. ``look_around``: also for work that nobody wakes us up for."""
        stopping = asyncio.create_task(self._pass_on())
        try:
            await asyncio.to_thread(settle_own, self._container)
            async with hands(
                self._container,
                stop=self._halt,
                concurrency=self._concurrency,
                waiting=self._courses.waiting,
            ) as worker:
                await self._work(worker, look_around=look_around)
        except DigestError as error:
            self._end(error)
        finally:
            self._end()
            stopping.cancel()
            self._courses.end()

    async def see_through(self, issue: Issue, watch: Watch) -> None:
        """Deliver an issue as far as it goes now, waiting a little for what can soon be tried again.

        Raises what keeps its letter from being written, and what ended the session.
        """
        await self._letters.of(issue.id)
        course = await asyncio.to_thread(self._courses.of, issue.id, watch=watch)
        await asyncio.to_thread(course.look, self._container.store, timedelta(), on_doubt=self._on_doubt)
        self._begin()
        while not self._halt.is_set():
            # Before asking what is ready: what is being worked on is not, and will be told by its leases only.
            await self._settled(lambda ref: isinstance(ref, ChunkRef) and ref.issue_id == issue.id)
            wait = await asyncio.to_thread(self._submit_ready, issue)
            if wait is None or wait > _PATIENCE:
                break
            await asyncio.to_thread(course.look, self._container.store, wait, on_doubt=self._on_doubt)
            if wait:
                await _sleep(wait.total_seconds() + 0.05, self._halt)
        if self.trouble is not None:
            raise self.trouble

    async def see_notices(self) -> None:
        """Send the notices that are ready. Raises what ended the session."""
        if await asyncio.to_thread(self._wake_for_notices):
            self._begin()
            await self._settled(lambda ref: isinstance(ref, NoticeRef))
        if self.trouble is not None:
            raise self.trouble

    async def finish(self) -> None:
        """Let what is on the wire be answered and recorded, and give back the rest."""
        self._end()
        if self._running is not None:
            await self._running

    def _begin(self) -> None:
        if self._running is None:
            self._running = asyncio.create_task(self.run(look_around=False), name="delivering")

    async def _settled(self, is_meant: Callable[[Ref], bool]) -> None:
        """Wait until the engine has done what is meant, or the session has ended."""
        if not isinstance(self._engine, LocalEngine):
            raise ValueError("only what this process does by itself can be seen through")  # noqa: TRY004 - a fault
        settled = asyncio.create_task(self._engine.settled(is_meant))
        ended = asyncio.create_task(self._halt.wait())
        try:
            await asyncio.wait({settled, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()
            ended.cancel()

    def _submit_ready(self, issue: Issue) -> timedelta | None:
        """Sweep, and submit the chunks that are ready; gives the wait until there may be more, None for never."""
        settle_own(self._container)
        with self._container.store.write() as tx:
            now = tx.now()
            move_on(tx, self._container, issue.id, now=now)
            ready = deliveries.ready_chunks(tx, issue.id, now=now)
            self._engine.submit(tx, refs_of(issue, ready))
            if ready:
                return timedelta()
            wake_at = standing.next_wake(tx, issue.id, on_doubt=self._on_doubt)
        return None if wake_at is None else max(timedelta(), wake_at - now)

    async def _pass_on(self) -> None:
        await self._stop.wait()
        self._end()

    def _end(self, trouble: DigestError | None = None) -> None:
        self.trouble = self.trouble or trouble
        self._halt.set()
        for turn in self._turns:
            turn.set()

    async def _work(self, worker: Worker, *, look_around: bool) -> None:
        rounds: list[asyncio.Task[None]] = []
        if look_around:
            pause = look_pause_s(self._container)
            for_notices = pause if self._engine.hears_others else _NOTICE_LOOK_S
            rounds += [
                asyncio.create_task(self._again_and_again(self._look, pause)),
                asyncio.create_task(self._again_and_again(self._look_for_notices, for_notices)),
            ]

        async def wake(ref: Ref) -> None:
            await self._guarded(
                send_notices(worker, self._letters.head) if isinstance(ref, NoticeRef) else self._take_turn(worker, ref)
            )

        try:
            await self._engine.run_worker(wake, concurrency=self._concurrency, stop=self._halt)
        finally:
            self._end()
            await asyncio.gather(*rounds)

    async def _guarded(self, job: Awaitable[None]) -> None:
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

    async def _take_turn(self, worker: Worker, ref: ChunkRef) -> None:
        """Work on a chunk until it is done or its turn is over; then it stands in line again."""
        letter = await self._letters.if_possible(ref.issue_id)
        if letter is None or self._halt.is_set():
            return
        turn = asyncio.Event()
        self._turns.add(turn)
        over = asyncio.get_running_loop().call_later(self._turn_s, turn.set)
        mine = replace(worker, stop=turn)
        if ref.priority > 0:
            # As many at once as the connections take, else bulk fills what is left of them.
            mine = replace(mine, urgent=True, in_flight=worker.in_flight * self._concurrency)
        try:
            course = await asyncio.to_thread(self._courses.of, ref.issue_id)
            course.begin()
            log.debug("chunk.started", issue=ref.issue_id, chunk=ref.chunk)
            mine = replace(mine, watch=course.recording(worker.watch))
            with self._container.counts.chunk():
                await deliver_chunk(mine, ref, letter)
            log.debug("chunk.finished", issue=ref.issue_id, chunk=ref.chunk, is_turn_over=turn.is_set())
        finally:
            over.cancel()
            self._turns.discard(turn)
        if self._halt.is_set():
            return
        if turn.is_set():
            await asyncio.to_thread(self._stand_in_line, ref)
        else:
            await asyncio.to_thread(self._close_if_done, ref.issue_id)

    def _stand_in_line(self, ref: ChunkRef) -> None:
        with self._container.store.write() as tx:
            self._engine.submit(tx, [ref])

    def _close_if_done(self, issue_id: int) -> None:
        with self._container.store.read() as tx:
            if standing.remains(tx, issue_id, on_doubt=self._on_doubt):
                return
        line, issue = self._letters.line(issue_id)
        if issue.state is IssueState.SENDING:
            fence.note_sent(line, issue)
            closed = steps.close(line, issue)
            log.info("issue.closed", issue=issue_id, state=closed.state.value)
        self._courses.finished(issue_id)
        self._letters.forget({issue_id})

    async def _again_and_again(self, look: Callable[[], Awaitable[None]], pause: float) -> None:
        while not self._halt.is_set():
            await self._guarded(look())
            await _sleep(pause, self._halt)

    async def _look(self) -> None:
        """Hand over whatever is ready, and forget what may have changed or is done."""
        sending = await asyncio.to_thread(self._hand_over_all)
        self._letters.look_again(sending)
        await asyncio.to_thread(self._courses.keep, sending)
        await asyncio.to_thread(self._courses.explain, on_doubt=self._on_doubt)

    def _hand_over_all(self) -> set[int]:
        with self._container.store.read() as tx:
            sending = [issue for issue in issues.unfinished(tx) if issue.state is IssueState.SENDING]
            has_old_notices = notices.has_old(tx, now=tx.now())
        for issue in sending:
            hand_over(self._container, self._engine, issue)
        if has_old_notices:
            with self._container.store.write() as tx:
                notices.purge(tx, now=tx.now())
        return {issue.id for issue in sending}

    async def _look_for_notices(self) -> None:
        await asyncio.to_thread(self._wake_for_notices)

    def _wake_for_notices(self) -> bool:
        """Move notices on and wake somebody up for those that are ready; says whether there was anything to do."""
        with self._container.store.read() as tx:
            if not notices.wants_work(tx, now=tx.now()):
                return False
        with self._container.store.write() as tx:
            notices.sweep(tx, now=tx.now())
            self._engine.submit(tx, [NoticeRef()])
        return True


@asynccontextmanager
async def delivering(
    container: Container,
    engine: Engine,
    *,
    stop: asyncio.Event,
    concurrency: int = 1,
) -> AsyncIterator[Session]:
    """A session that begins with the first issue it is to see through and ends with the block."""
    session = Session(container, engine, stop=stop, concurrency=concurrency)
    try:
        yield session
    finally:
        await session.finish()


async def work(container: Container, engine: Engine, *, concurrency: int, stop: asyncio.Event) -> None:
    """`digest worker`: keep sessions going. Raises ConfigInvalid before anything starts."""
    carrier(container.settings, container.store, stop=stop)
    log.info("worker.started", concurrency=concurrency)
    await keep_delivering(container, engine, concurrency=concurrency, stop=stop)
    log.info("worker.stopped")


async def keep_delivering(container: Container, engine: Engine, *, concurrency: int, stop: asyncio.Event) -> None:
    """Deliver until ``stop`` is set, one session after another, whatever goes wrong meanwhile."""
    pause, told = look_pause_s(container), ""
    while not stop.is_set():
        session = Session(container, engine, stop=stop, concurrency=concurrency)
        began_at = time.monotonic()
        try:
            await session.run(look_around=True)
        except Exception:
            log.exception("worker.broke")  # the edge of the loop: a fault of ours must not end delivering for good
        if stop.is_set():
            return
        trouble, has_worked = session.trouble, time.monotonic() - began_at > pause
        if trouble is not None:
            container.counts.trouble(trouble)
        if trouble is not None and (has_worked or trouble.message != told):  # else it was said already
            told = trouble.message
            log.warning("worker.held_up", error=told, hint=trouble.hint, again_in_s=pause)
        await _sleep(pause, stop)


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout=seconds)
