"""The default engine: wake-ups in this process's memory. After a crash the sweep finds the work again."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from digest.engine.port import RESERVED, EngineHealth, Handler, Lane, Ref, lane_of
from digest.model.delivery import ChunkRef
from digest.store.engine import Tx


class LocalEngine:
    """In-process wake-ups. Any thread may submit; the hands are in the event loop of `run_worker`.

    ``attended``: a worker runs on it for as long as the process lives, so nobody else need see to what is submitted.
    """

    hears_others = False

    def __init__(self, *, attended: bool = False) -> None:
        self.is_attended = attended
        self._guard = threading.Lock()
        # A heap for each lane; entries that wait no more are passed over.
        self._lines: dict[Lane, list[tuple[int, int, int, Ref]]] = {lane: [] for lane in Lane}
        self._waiting: dict[Ref, int] = {}  # with the number of its entry in line
        self._running: Counter[Ref] = Counter()
        self._numbers = itertools.count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    def submit(self, tx: Tx, refs: Sequence[Ref]) -> None:
        """Remember the wake-ups once the transaction is committed."""
        tx.then(lambda: self._add(refs))

    async def run_worker(self, handler: Handler, *, concurrency: int = 1, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set. What ``handler`` raises is a fault, and ends everything as an ExceptionGroup."""
        self._loop = asyncio.get_running_loop()
        stopping = asyncio.create_task(self._stir_at(stop))
        try:
            async with asyncio.TaskGroup() as hands:
                for lane, count in {**RESERVED, Lane.BULK: concurrency}.items():
                    for _ in range(count):
                        hands.create_task(self._work(handler, lane, stop))
        finally:
            stopping.cancel()
            with self._guard:
                self._loop = None
            self._stir()

    async def settled(self, is_meant: Callable[[Ref], bool]) -> None:
        """Wait until no wake-up that is meant waits or is being worked on any more."""
        while True:
            with self._guard:
                if not any(map(is_meant, [*self._waiting, *self._running])):
                    return
            await self._changed.wait()

    def cancel(self, tx: Tx, issue_id: int) -> None:
        """Forget the wake-ups of an issue, once the transaction is committed."""
        tx.then(lambda: self._forget(issue_id))

    def health(self) -> EngineHealth:
        """What waits in this process; it is its own only worker."""
        return EngineHealth(waiting=len(self._waiting), running=self._running.total(), workers=1)

    def _add(self, refs: Sequence[Ref]) -> None:
        with self._guard:
            for ref in refs:
                if ref not in self._waiting:
                    number = self._waiting[ref] = next(self._numbers)
                    heapq.heappush(self._lines[lane_of(ref)], (*_place(ref), number, ref))
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stir)

    def _forget(self, issue_id: int) -> None:
        with self._guard:
            for ref in [ref for ref in self._waiting if isinstance(ref, ChunkRef) and ref.issue_id == issue_id]:
                del self._waiting[ref]

    async def _work(self, handler: Handler, lane: Lane, stop: asyncio.Event) -> None:
        while not stop.is_set():
            ref = self._take(lane)
            if ref is None:
                await self._changed.wait()
                continue
            self._running[ref] += 1
            try:
                await handler(ref)
            finally:
                self._running[ref] -= 1
                if not self._running[ref]:
                    del self._running[ref]
                self._stir()

    def _take(self, lane: Lane) -> Ref | None:
        """The first in line: of every lane for a hand for everything, else of its own."""
        with self._guard:
            for own in sorted(Lane, reverse=True) if lane is Lane.BULK else [lane]:
                line = self._lines[own]
                while line:
                    *_, number, ref = heapq.heappop(line)
                    if self._waiting.get(ref) == number:
                        del self._waiting[ref]
                        return ref
        return None

    async def _stir_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stir()

    def _stir(self) -> None:
        """Let everybody who waits look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _place(ref: Ref) -> tuple[int, int]:
    """Where a wake-up stands in the line of its lane; among equals the first comes first."""
    return (-ref.priority, ref.chunk) if isinstance(ref, ChunkRef) else (0, 0)
