"""The default engine: wake-ups in this process's memory. After a crash the sweep finds the work again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from digest.engine.port import EngineHealth, Handler
from digest.model.delivery import ChunkRef
from digest.store.engine import Tx


class LocalEngine:
    """In-process wake-ups, one chunk after another: the relay's connections are what limits, not the chunks."""

    is_local = True

    def __init__(self) -> None:
        self._waiting: dict[ChunkRef, None] = {}
        self._running = 0

    def submit(self, tx: Tx, refs: Sequence[ChunkRef]) -> None:  # noqa: ARG002 - the port's shape
        """Remember the chunks. A rolled-back transaction leaves wake-ups for nothing, which are harmless."""
        self._waiting.update(dict.fromkeys(refs))

    async def run_worker(self, handler: Handler, *, concurrency: int = 1, stop: asyncio.Event) -> None:
        """Work through what waits, also what is submitted meanwhile. Raises what ``handler`` raises."""

        async def one_after_another() -> None:
            while self._waiting and not stop.is_set():
                ref = next(iter(self._waiting))
                del self._waiting[ref]
                self._running += 1
                try:
                    await handler(ref)
                finally:
                    self._running -= 1

        await asyncio.gather(*(one_after_another() for _ in range(concurrency)))

    def cancel(self, tx: Tx, issue_id: int) -> None:  # noqa: ARG002 - the port's shape
        """Forget the wake-ups of an issue."""
        for ref in [ref for ref in self._waiting if ref.issue_id == issue_id]:
            del self._waiting[ref]

    def health(self) -> EngineHealth:
        """What waits in this process; it is its own only worker."""
        return EngineHealth(waiting=len(self._waiting), running=self._running, workers=1)
