"""Manners towards a host: one request at a time, pauses between pages, and being left alone when it asks for that.

A host is host:port. What it told us (a hold, its robots.txt) is kept in the database where there is one, so that a
restart forgets nothing. Turns are kept in memory: one process collects.

A 429 holds the address that got it for as long as the server says. It does not at once hold the host: on hosts that
carry many unrelated feeds (RSSHub; FreshRSS #7870) one limited feed would starve all others. A second 429 in a row,
without a good answer between, means the host itself: everything on it waits then, up to an hour at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from digest.collect.schedule import MIN_INTERVAL
from digest.model.fetching import HostRecord
from digest.store import hosts as stored
from digest.store.engine import Store

#: So many answers 429 in a row mean the host and not the address.
HOST_REFUSES_AFTER = 2
#: The others of a host are tried again after this, however long it asked: each address keeps its own, longer wait.
MAX_HOST_HOLD = timedelta(hours=1)


class Hosts:
    """What is known of every host met in a run. ``store`` None: nothing is kept beyond this object."""

    def __init__(self, store: Store | None = None, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._records: dict[str, HostRecord] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._last: dict[str, float] = {}

    @asynccontextmanager
    async def turn(self, name: str, *, pause_s: float = 0.0) -> AsyncIterator[None]:
        """Be the only one who asks a host while the block lasts, at least ``pause_s`` after the last one."""
        async with self._turns[name]:
            if pause_s and name in self._last:
                await asyncio.sleep(max(0.0, self._last[name] + pause_s - time.monotonic()))
            try:
                yield
            finally:
                self._last[name] = time.monotonic()

    async def get(self, name: str) -> HostRecord:
        """What is known of a host."""
        if name not in self._records:
            found = HostRecord(name)
            if self._store is not None:
                found = await asyncio.to_thread(_load, self._store, name)
            self._records.setdefault(name, found)  # another task may have been a moment faster, and newer
        return self._records[name]

    async def put(self, record: HostRecord) -> None:
        """Keep what a host told us."""
        self._records[record.name] = record
        if self._store is not None:
            await asyncio.to_thread(_save, self._store, record)

    async def held_until(self, name: str) -> datetime | None:
        """Until when the host wants to be left alone; None when it does not."""
        until = (await self.get(name)).held_until
        return until if until is not None and until > self._clock() else None

    async def refused(self, name: str, *, retry_after: timedelta | None) -> None:
        """The host answered 429: count it, and hold the host when it is not the first in a row."""
        record = await self.get(name)
        refusals = record.refusals + 1
        held_until = record.held_until
        if refusals >= HOST_REFUSES_AFTER:
            held_until = self._clock() + min(retry_after or MIN_INTERVAL, MAX_HOST_HOLD)
        await self.put(replace(record, refusals=refusals, held_until=held_until))

    async def answered(self, name: str) -> None:
        """The host gave a good answer: it is not the host that refuses us."""
        record = await self.get(name)
        if record.refusals or record.held_until is not None:
            await self.put(replace(record, refusals=0, held_until=None))


def _load(store: Store, name: str) -> HostRecord:
    with store.read() as tx:
        return stored.get(tx, name)


def _save(store: Store, record: HostRecord) -> None:
    with store.write() as tx:
        stored.put(tx, record)
