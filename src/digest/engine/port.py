"""What the product asks of an engine. Losing, repeating or running a wake-up twice changes nothing.

Order, the same in every engine: notices before everything; then issues by priority; then chunk n of every issue
before chunk n + 1 of any, so that a large issue cannot hold up a small one. Beside the hands for everything there are
some that are reserved for the faster lanes, so that what may overtake never waits for a hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Protocol

from digest.model.delivery import ChunkRef
from digest.model.notice import NoticeRef
from digest.store.engine import Tx

Ref = ChunkRef | NoticeRef
Handler = Callable[[Ref], Awaitable[None]]


class Lane(IntEnum):
    """What overtakes what. A hand that is reserved for a lane takes nothing else, the others take everything."""

    BULK = 0
    URGENT = 1
    NOTICE = 2


#: Hands beside those for everything. Two for notices: one that waits for a slow relay must not hold up the next.
RESERVED: Mapping[Lane, int] = MappingProxyType({Lane.URGENT: 1, Lane.NOTICE: 2})


def lane_of(ref: Ref) -> Lane:
    """The lane a wake-up is in."""
    if isinstance(ref, NoticeRef):
        return Lane.NOTICE
    return Lane.URGENT if ref.priority > 0 else Lane.BULK


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """Wake-ups that wait, wake-ups being worked on, and workers that gave a sign of life lately."""

    waiting: int
    running: int
    workers: int


class Engine(Protocol):
    """Wakes workers up for chunks and for notices."""

    @property
    def is_attended(self) -> bool:
        """Whether somebody is at work on what is submitted; else whoever submits has to see to it."""

    @property
    def hears_others(self) -> bool:
        """Whether wake-ups of other processes arrive; else they are found by looking into the database."""

    def submit(self, tx: Tx, refs: Sequence[Ref]) -> None:
        """Ask for these to be worked on, in the transaction that made or freed their rows.

        Nobody is woken up before it is committed, nor if it is rolled back.
        """

    async def run_worker(self, handler: Handler, *, concurrency: int, stop: asyncio.Event) -> None:
        """Work on what is submitted until ``stop`` is set, then finish what is being worked on.

        ``concurrency`` of anything side by side, and beside it what is `RESERVED`.
        """

    def cancel(self, tx: Tx, issue_id: int) -> None:
        """Forget the waiting wake-ups of an issue."""

    def health(self) -> EngineHealth:
        """How much waits and who works. Raises SchemaMismatch when the engine's own tables are missing."""
