"""What the product asks of an engine. Losing, repeating or running a wake-up twice changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from digest.model.delivery import ChunkRef
from digest.store.engine import Tx

Handler = Callable[[ChunkRef], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """Wake-ups that wait, wake-ups being worked on, and workers that gave a sign of life lately."""

    waiting: int
    running: int
    workers: int


class Engine(Protocol):
    """Wakes workers up for chunks."""

    @property
    def is_local(self) -> bool:
        """Whether whoever submits also does the work; else workers of other processes do it."""

    def submit(self, tx: Tx, refs: Sequence[ChunkRef]) -> None:
        """Ask for these chunks to be worked on, in the transaction that made or freed their deliveries."""

    async def run_worker(self, handler: Handler, *, concurrency: int, stop: asyncio.Event) -> None:
        """Work on what was submitted, ``concurrency`` chunks side by side, until ``stop`` is set.

        A local engine also returns when nothing waits any more: there is nobody else who would submit.
        """

    def cancel(self, tx: Tx, issue_id: int) -> None:
        """Forget the waiting wake-ups of an issue."""

    def health(self) -> EngineHealth:
        """How much waits and who works. Raises SchemaMismatch when the engine's own tables are missing."""
