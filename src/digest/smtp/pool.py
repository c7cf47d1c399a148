"""A few connections to one relay, opened when needed and reused.

Rules of this file: connections are opened one at a time, and a relay that failed is left alone for a moment, so that
fifty waiting mails are one failed login and not fifty. A mail that a connection lost before it was its turn goes over
a new one, once, without a word; nothing of it had been written. A relay that cannot be trusted with pipelining is
spoken to without it from then on.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from dataclasses import replace
from types import TracebackType
from typing import Self

from digest.model.errors import RelayRefused, RelayUnreachable
from digest.smtp.connection import Connection, SendResult, tls_context
from digest.smtp.envelope import Formed
from digest.smtp.protocol import Fault
from digest.smtp.relay import Pipelining, Relay, Tls
from digest.smtp.replies import Phase, Verdict

_LEAVE_ALONE_S = 2.0  # after a failed connect; the caller's own pauses are longer


class Pool:
    """At most ``relay.connections`` connections; use as an async context manager, send from any number of tasks."""

    def __init__(self, relay: Relay) -> None:
        if relay.connections < 1:
            raise ValueError("a pool needs at least one connection")
        self.relay = relay
        self._limit = relay.connections
        self._live: list[Connection] = []
        self._latest: Connection | None = None
        self._opening_count = 0
        self._farewells: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._waiting_urgent: deque[asyncio.Future[None]] = deque()
        self._waiting_fresh: deque[asyncio.Future[None]] = deque()
        self._urgent_wanted = 0
        self._fresh_wanted = 0
        self._opening = asyncio.Lock()
        self._tls: ssl.SSLContext | None = None
        self._refused: RelayRefused | None = None
        self._unreachable: tuple[float, RelayUnreachable] | None = None
        self._is_plain = relay.pipelining is Pipelining.OFF

    @property
    def connection_count(self) -> int:
        """Connections that are open at the moment."""
        return len(self._live)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in [connection for connection in self._live if connection.in_flight == 0]:
            self._retire(connection)
        await asyncio.gather(*self._farewells)

    async def check(self) -> None:
        """Connect and log in without sending anything. Raises as `send` does."""
        self._give_back(await self._take())

    async def send(self, mail_from: str, rcpt_to: str, wire: bytes | Formed, *, urgent: bool = False) -> SendResult:
        """Send one mail over a connection with room, waiting for one if need be; see `Connection.send`.

        What is ``urgent`` has the next room, whoever waits for it.

        Raises RelayUnreachable when no connection can be had, and RelayRefused when the relay refuses our login or
        our way of connecting; then every later call raises it at once, without asking the relay again.
        """
        connection = await (self._take_urgent() if urgent else self._take())
        was_used = connection.message_count > 0
        result = await self._send_over(connection, mail_from, rcpt_to, wire)
        # The relay hung up on us between two mails, as relays do, or another mail ended the connection for this one.
        is_cut_short = was_used and result.phase is Phase.MAIL
        is_lost = result.verdict is Verdict.LOST
        if (is_cut_short and (is_lost or result.verdict is Verdict.RELAY_BUSY)) or (
            is_lost and connection.fault is Fault.VIOLATION
        ):
            result = await self._send_over(await self._take_fresh(), mail_from, rcpt_to, wire)
        return result

    async def _send_over(
        self, connection: Connection, mail_from: str, rcpt_to: str, wire: bytes | Formed
    ) -> SendResult:
        try:
            return await connection.send(mail_from, rcpt_to, wire)
        finally:
            self._is_plain = self._is_plain or connection.fault is not Fault.NONE
            self._give_back(connection)

    async def _take_urgent(self) -> Connection:
        self._urgent_wanted += 1
        try:
            return await self._take(urgent=True)
        finally:
            self._urgent_wanted -= 1
            for _ in range(len(self._waiting)):
                self._wake()

    async def _take(self, *, urgent: bool = False) -> Connection:
        """A connection with room for one more mail: an idle one, else a new one, else a shared one."""
        latest = self._latest
        # Who gives a connection back and asks for the next at once must not be faster than who was woken for it.
        is_in_turn = urgent or not self._urgent_wanted
        if (
            is_in_turn
            and latest is not None
            and latest.in_flight < latest.window
            and self._is_fit(latest)
            and self._is_settled
        ):
            latest.in_flight += 1
            return latest
        is_first = True
        while True:
            if not self._fresh_wanted and (urgent or not self._urgent_wanted):
                if connection := self._pick():
                    connection.in_flight += 1
                    return connection
                if self._may_open:
                    if connection := await self._try_open():
                        return connection
                    continue  # what it found before that wait may be true no more
            await self._turn(self._waiting_urgent if urgent else self._waiting, is_first=is_first)
            is_first = False

    async def _take_fresh(self) -> Connection:
        """A new connection, before all who would take any; an idle one makes room for it."""
        self._fresh_wanted += 1
        try:
            while True:
                if self._may_open:
                    if connection := await self._try_open():
                        return connection
                    continue
                idle = next((connection for connection in self._live if connection.in_flight == 0), None)
                if idle is not None:
                    self._retire(idle)
                if not self._may_open:
                    await self._turn(self._waiting_fresh, is_first=True)
        finally:
            self._fresh_wanted -= 1
            for _ in range(len(self._waiting_urgent) + len(self._waiting)):
                self._wake()

    @property
    def _is_settled(self) -> bool:
        """Whether every connection is open and nobody waits: then the one that has just had an answer goes on."""
        return not (self._may_open or self._waiting or self._waiting_urgent or self._fresh_wanted)

    def _is_fit(self, connection: Connection) -> bool:
        return connection.is_usable and not (self._is_plain and connection.window > 1)

    def _pick(self) -> Connection | None:
        shared = None
        for connection in reversed(self._live):
            is_fit = self._is_fit(connection)
            if connection.in_flight == 0:
                if is_fit:
                    return connection
                self._retire(connection)
            elif is_fit and connection.in_flight < connection.window:
                shared = connection
        return None if self._may_open else shared

    @property
    def _may_open(self) -> bool:
        return len(self._live) + self._opening_count + len(self._farewells) < self._limit

    async def _turn(self, line: deque[asyncio.Future[None]], *, is_first: bool) -> None:
        """Wait until there may be room. Who was woken in vain keeps his place."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if is_first:
            line.append(place)
        else:
            line.appendleft(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                line.remove(place)
            else:
                self._wake()  # the room is for another
            raise

    def _wake(self) -> None:
        line = self._waiting_fresh or self._waiting_urgent or self._waiting
        while line:
            place = line.popleft()
            if not place.done():
                place.set_result(None)
                return

    def _give_back(self, connection: Connection) -> None:
        connection.in_flight -= 1
        if connection.in_flight == 0 and not connection.is_usable:
            self._retire(connection)
        elif not self._waiting:
            self._latest = connection
        self._wake()

    async def _try_open(self) -> Connection | None:
        """A new connection with one mail's room taken; None if the relay wants fewer of them than configured."""
        self._opening_count += 1
        try:
            connection = await self._open()
        except RelayUnreachable:
            if not self._live:
                raise
            # It serves others of our connections: this one is given up for good.
            self._limit = max(1, self._limit - 1)
            return None
        finally:
            self._opening_count -= 1
            self._wake()
        connection.in_flight = 1
        self._live.append(connection)
        return connection

    async def _open(self) -> Connection:
        async with self._opening:
            if self._refused is not None:
                raise RelayRefused(self._refused.message, hint=self._refused.hint)
            if self._unreachable is not None and time.monotonic() < self._unreachable[0]:
                raise RelayUnreachable(self._unreachable[1].message, hint=self._unreachable[1].hint)
            relay = replace(self.relay, pipelining=Pipelining.OFF) if self._is_plain else self.relay
            try:
                if self._tls is None and relay.tls is not Tls.NONE:
                    self._tls = await asyncio.to_thread(tls_context, relay)
                return await Connection.open(relay, tls=self._tls)
            except RelayRefused as error:
                self._refused = error
                raise
            except RelayUnreachable as error:
                self._unreachable = (time.monotonic() + _LEAVE_ALONE_S, error)
                raise

    def _retire(self, connection: Connection) -> None:
        """Say goodbye beside the work: a result that was read never waits for it. Its place is free afterwards."""
        self._live.remove(connection)
        if self._latest is connection:
            self._latest = None
        if not connection.is_open:
            connection.close()
            self._wake()
            return
        farewell = asyncio.create_task(connection.quit())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._part)

    def _part(self, farewell: asyncio.Task[None]) -> None:
        self._farewells.discard(farewell)
        self._wake()
