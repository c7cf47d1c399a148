"""A few connections to one relay, opened when needed and reused.

Rules of this file: connections are opened one at a time, and a relay that failed is left alone for a moment, so that
fifty waiting mails are one failed login and not fifty. A connection that died while idle is replaced without a
word; nothing had been written to it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from types import TracebackType
from typing import Self

from digest.model.errors import RelayRefused, RelayUnreachable
from digest.smtp.connection import Connection, SendResult, tls_context
from digest.smtp.relay import Relay, Tls
from digest.smtp.replies import Phase, Verdict

_LEAVE_ALONE_S = 2.0  # after a failed connect; the caller's own pauses are longer


class Pool:
    """At most ``relay.connections`` connections; use as an async context manager, send from any number of tasks."""

    def __init__(self, relay: Relay) -> None:
        if relay.connections < 1:
            raise ValueError("a pool needs at least one connection")
        self.relay = relay
        self._slots = asyncio.Semaphore(relay.connections)
        self._opening = asyncio.Lock()
        self._idle: list[Connection] = []
        self._live: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None
        self._refused: RelayRefused | None = None
        self._unreachable: tuple[float, RelayUnreachable] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        idle, self._idle = self._idle, []
        self._live.difference_update(idle)
        await asyncio.gather(*(connection.quit() for connection in idle))

    async def check(self) -> None:
        """Connect and log in without sending anything. Raises as `send` does."""
        await self._give_back(await self._take())

    async def send(self, mail_from: str, rcpt_to: str, wire: bytes) -> SendResult:
        """Send one mail over a free connection, waiting for one if need be; see `Connection.send`.

        Raises RelayUnreachable when no connection can be had, and RelayRefused when the relay refuses our login or
        our way of connecting; then every later call raises it at once, without asking the relay again.
        """
        connection = await self._take()
        try:
            was_used = connection.message_count > 0
            result = await connection.send(mail_from, rcpt_to, wire)
            if was_used and result.phase is Phase.MAIL and result.verdict in {Verdict.LOST, Verdict.RELAY_BUSY}:
                # The relay hung up on us between two mails, as relays do; a new connection will tell more.
                self._forget(connection)
                connection = await self._open()
                result = await connection.send(mail_from, rcpt_to, wire)
        except BaseException:
            # A cancelled task leaves its conversation in the middle: nobody may go on with it.
            self._forget(connection)
            self._slots.release()
            raise
        await self._give_back(connection)
        return result

    async def _take(self) -> Connection:
        while True:
            await self._slots.acquire()
            try:
                while self._idle:
                    connection = self._idle.pop()
                    if connection.is_usable:
                        return connection
                    await self._retire(connection)
                return await self._open()
            except RelayUnreachable:
                if not self._live:
                    self._slots.release()
                    raise
                # It serves others of our connections: it wants fewer than configured. This slot is given up.
            except BaseException:
                self._slots.release()
                raise

    async def _give_back(self, connection: Connection) -> None:
        try:
            if connection.is_usable:
                self._idle.append(connection)
            else:
                await self._retire(connection)
        finally:
            self._slots.release()

    async def _open(self) -> Connection:
        async with self._opening:
            if self._refused is not None:
                raise RelayRefused(self._refused.message, hint=self._refused.hint)
            if self._unreachable is not None and time.monotonic() < self._unreachable[0]:
                raise RelayUnreachable(self._unreachable[1].message, hint=self._unreachable[1].hint)
            try:
                if self._tls is None and self.relay.tls is not Tls.NONE:
                    self._tls = await asyncio.to_thread(tls_context, self.relay)
                connection = await Connection.open(self.relay, tls=self._tls)
            except RelayRefused as error:
                self._refused = error
                raise
            except RelayUnreachable as error:
                self._unreachable = (time.monotonic() + _LEAVE_ALONE_S, error)
                raise
            self._live.add(connection)
            return connection

    async def _retire(self, connection: Connection) -> None:
        self._live.discard(connection)
        await connection.quit()

    def _forget(self, connection: Connection) -> None:
        self._live.discard(connection)
        connection.close()
