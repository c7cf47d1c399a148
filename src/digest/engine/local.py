"""The default engine: wake-ups in this process's memory. After a crash the sweep finds the work again."""

from __future__ import annotations

from collections.abc import Sequence

from digest.engine.port import Handler
from digest.model.delivery import ChunkRef
from digest.store.engine import Tx


class LocalEngine:
    """In-process wake-ups, one chunk after another: the relay's connections are what limits, not the chunks."""

    def __init__(self) -> None:
        self._waiting: dict[ChunkRef, None] = {}

    def submit(self, tx: Tx, refs: Sequence[ChunkRef]) -> None:  # noqa: ARG002 - the port's shape
        """Remember the chunks. A rolled-back transaction leaves wake-ups for nothing, which are harmless."""
        self._waiting.update(dict.fromkeys(refs))

    async def run(self, handler: Handler) -> None:
        """Work through what waits, also what is submitted meanwhile."""
        while self._waiting:
            ref = next(iter(self._waiting))
            del self._waiting[ref]
            await handler(ref)

    def cancel(self, issue_id: int) -> None:
        """Forget the wake-ups of an issue."""
        for ref in [ref for ref in self._waiting if ref.issue_id == issue_id]:
            del self._waiting[ref]
