"""What the product asks of an engine. Losing, repeating or running a wake-up twice changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from digest.model.delivery import ChunkRef
from digest.store.engine import Tx

Handler = Callable[[ChunkRef], Awaitable[None]]


class Engine(Protocol):
    """Wakes workers up for chunks."""

    def submit(self, tx: Tx, refs: Sequence[ChunkRef]) -> None:
        """Ask for these chunks to be worked on, in the transaction that made or freed their deliveries."""

    async def run(self, handler: Handler) -> None:
        """Work until nothing waits here any more. Raises what ``handler`` raises."""

    def cancel(self, issue_id: int) -> None:
        """Forget the wake-ups of an issue."""
