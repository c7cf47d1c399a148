"""The pipelined conversation over a connection that aiosmtplib opened, secured and logged in.

Rules of this file: it takes the transport over (`transport.set_protocol`), so from then on reading, timeouts, QUIT
and closing are done here; what is said and what replies mean is `protocol.Pipeline`'s. Nothing more is written while
the transport's buffer is full. When the conversation is over the connection is dropped at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from digest.smtp.protocol import Fault, Finished, Pipeline, Transaction
from digest.smtp.relay import Timeouts
from digest.smtp.replies import Phase, SendResult, Verdict

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_BUFFER_BYTES = 256 * 1024


class Pipelined(asyncio.Protocol):
    """One open connection with up to ``window`` mails on their way; `send` may be called from several tasks."""

    def __init__(
        self, transport: asyncio.Transport, timeouts: Timeouts, *, is_chunking: bool = False, window: int = 2
    ) -> None:
        self._transport = transport
        self._pipeline = Pipeline(is_chunking=is_chunking, window=window)
        self.is_chunking = is_chunking
        self.window = window
        self._loop = asyncio.get_running_loop()
        self._limits = {
            Phase.MAIL: timeouts.mail_s,
            Phase.RCPT: timeouts.rcpt_s,
            Phase.DATA: timeouts.data_s,
            Phase.DOT: timeouts.dot_s,
        }
        self._results: dict[Transaction, asyncio.Future[SendResult]] = {}
        self._is_full = False
        self._writes_soon = False
        self._closed = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._waits_for: tuple[Phase | None, int] = (None, 0)
        self._has_hung_up = False
        self._socket: socket.socket | None = transport.get_extra_info("socket")
        if transport.is_closing():
            self._closed.set_result(None)
            return
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=_BUFFER_BYTES)

    @property
    def is_open(self) -> bool:
        """Whether another mail can be sent."""
        return self._pipeline.is_open and not self._transport.is_closing()

    @property
    def fault(self) -> Fault:
        """Whether pipelining can be trusted at this relay."""
        return self._pipeline.fault

    async def send(self, transaction: Transaction) -> SendResult:
        """Send one mail behind those that are on their way. A cancelled one never takes another's reply with it."""
        if not self.is_open:
            return SendResult(Verdict.LOST, None, Phase.MAIL)
        result: asyncio.Future[SendResult] = self._loop.create_future()
        self._results[transaction] = result
        self._pipeline.submit(transaction)
        self._write_soon()
        try:
            return await result
        except asyncio.CancelledError:
            del self._results[transaction]
            self._go_on(self._pipeline.abandon(transaction))
            raise

    async def quit(self, timeout_s: float) -> None:
        """Say QUIT and close; whatever becomes of the QUIT, the connection is gone afterwards."""
        if self.is_open and self._pipeline.is_idle:
            self._pipeline.leave()
            self._go_on([])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._closed), timeout_s)
        self.close()

    def close(self) -> None:
        """Drop the connection without a word."""
        self._go_on(self._pipeline.give_up())
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by the transport."""
        self._acknowledge()
        if not self._pipeline.is_over:
            self._go_on(self._pipeline.receive(data))

    def _acknowledge(self) -> None:
        """Have the kernel say at once that we read, not when it next has something to send.

        A relay with Nagle's algorithm on holds its other replies back until then, 40 ms a mail: 1,000 mails to a
        Postfix 3.7 on loopback took 6.5 s, with this 1.6 s. The kernel forgets it soon, so it is told each time.
        """
        if _QUICKACK is not None and self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def eof_received(self) -> bool:
        """Called by the transport when the relay will say no more."""
        self._go_on(self._pipeline.lose())
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter, what was read does
        """Called by the transport, once."""
        if not self._closed.done():
            self._closed.set_result(None)
        self._go_on(self._pipeline.lose())

    def pause_writing(self) -> None:
        """Called by the transport when its buffer is full."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Called by the transport when its buffer has room again."""
        self._is_full = False
        self._go_on([])

    def _go_on(self, finished: list[Finished]) -> None:
        for transaction, result in finished:
            waiting = self._results.pop(transaction, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(result)
        if self._pipeline.is_over:
            if not self._has_hung_up:
                self._hang_up()
            self._set_timer()
        else:
            self._write_soon()

    def _write_soon(self) -> None:
        """Write once for all that happens at this moment: whoever was just answered sends the next mail first."""
        if not self._writes_soon:
            self._writes_soon = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._writes_soon = False
        if not self._pipeline.may_go_on:
            self._go_on(self._pipeline.give_up())
            return
        if not self._is_full and not self._transport.is_closing() and (data := self._pipeline.to_write()):
            self._transport.write(data)
        self._set_timer()

    def _hang_up(self) -> None:
        self._has_hung_up = True
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # nothing of it may arrive any more, and nobody may be reading
        else:
            self._transport.close()

    def _set_timer(self) -> None:
        """One timer for all phases: moved only when it would ring too late, looked at when it rings too early."""
        phase = self._pipeline.awaiting
        before, self._waits_for = self._waits_for, (phase, self._pipeline.reply_count)
        if before == self._waits_for:
            return  # more mails in the line, or half a reply: neither gives the relay more time
        if phase is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        self._deadline = self._loop.time() + self._limits[phase]
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._ring)
        else:
            self._go_on(self._pipeline.time_out())
