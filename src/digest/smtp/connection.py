"""One connection to the relay, and mails over it.

Rules of this file: every command is its own step, so that it is known in which one a connection died. Until the
first byte of the message is handed to the transport, nothing can have been accepted (LOST: free to try again). From
then until a whole reply is read nobody can know (DOUBT, RFC 1047). A reply that was read is definite, always.
aiosmtplib carries connecting, TLS, login and single commands; its ``data`` and ``sendmail`` raise the same error
before and after the dot and rewrite the bytes, so the message itself is written here. Where the relay offers
PIPELINING, `pipelined` takes the conversation over, with the same results.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPServerDisconnected, SMTPTimeoutError

from digest.smtp.envelope import Formed, after_data, as_chunk, dot_stuffed, formed, path_of
from digest.smtp.opening import open_client, tls_context
from digest.smtp.pipelined import Pipelined
from digest.smtp.protocol import Fault, Transaction
from digest.smtp.relay import CHUNKED_WINDOW, PIPELINED_WINDOW, Chunking, Pipelining, Relay
from digest.smtp.replies import Phase, Reply, SendResult, Verdict, classify

__all__ = ["Connection", "SendResult", "dot_stuffed", "tls_context"]

_DATA = b"DATA\r\n"
_UTF8 = b" BODY=8BITMIME SMTPUTF8"  # RFC 6531 §3.4
_LOST_CONNECTION = (SMTPServerDisconnected, SMTPTimeoutError, ConnectionError, ssl.SSLError)


class Connection:
    """An open, logged-in connection. Made by `Connection.open`; at most ``window`` calls of `send` at a time."""

    def __init__(self, relay: Relay, client: SMTP) -> None:
        self._relay = relay
        self._client = client
        self._worn_out_at = time.monotonic() + relay.max_connection_age_s
        self._pipelined = _take_over(relay, client)
        #: How many mails may be on their way: with pipelining, one waits at its dot while the next is begun.
        self.window = 1 if self._pipelined is None else self._pipelined.window
        self._has_size = client.supports_extension("size")
        self._size_limit = _size_limit(client)
        self.message_count = 0
        self.in_flight = 0

    @classmethod
    async def open(cls, relay: Relay, *, tls: ssl.SSLContext | None) -> Connection:
        """Connect, secure and log in. Raises RelayUnreachable (try later) or RelayRefused (change something)."""
        return cls(relay, await open_client(relay, tls=tls))

    @property
    def fault(self) -> Fault:
        """Whether pipelining failed on this connection."""
        return Fault.NONE if self._pipelined is None else self._pipelined.fault

    @property
    def is_open(self) -> bool:
        """Whether it is alive, as far as can be known without asking."""
        return self._client.is_connected if self._pipelined is None else self._pipelined.is_open

    @property
    def is_usable(self) -> bool:
        """Whether another mail may go over it: alive, not worn out by count, not too old."""
        return (
            self.message_count < self._relay.max_messages_per_connection
            and time.monotonic() < self._worn_out_at
            and self.is_open
        )

    def close(self) -> None:
        """Drop the connection without a word."""
        if self._pipelined is not None:
            self._pipelined.close()
        self._client.close()

    async def quit(self) -> None:
        """Say QUIT and close. What was accepted stays accepted, whatever becomes of the QUIT."""
        timeout_s = self._relay.timeouts.quit_s
        if self._pipelined is not None:
            await self._pipelined.quit(timeout_s)
        else:
            with contextlib.suppress(SMTPException, OSError):  # we are leaving either way
                await self._client.quit(timeout=timeout_s)
        self._client.close()

    async def send(self, mail_from: str, rcpt_to: str, wire: bytes | Formed) -> SendResult:
        """Send one mail to one recipient. ``wire`` is the finished message; ``mail_from`` may be ``""``.

        Raises MessageInvalid when an address cannot stand in a command; everything the relay may do is a verdict.
        A cancelled send ends the connection, unless another mail on it waits for the reply to its dot; then after it.
        """
        sender, recipient = path_of(mail_from), path_of(rcpt_to)
        needs_utf8 = not (sender.isascii() and recipient.isascii())
        if needs_utf8 and not self._client.supports_extension("smtputf8"):
            return SendResult(Verdict.NEEDS_SMTPUTF8, None, Phase.RCPT)
        size = formed(wire).size
        if self._size_limit and size > self._size_limit:
            return self._too_big(size)
        self.message_count += 1
        declared = b" SIZE=%d" % size if self._has_size else b""
        mail = b"MAIL FROM:<%b>%b%b\r\n" % (sender.encode(), declared, _UTF8 if needs_utf8 else b"")
        rcpt = b"RCPT TO:<%b>\r\n" % recipient.encode()
        if self._pipelined is not None:
            body = as_chunk(wire) if self._pipelined.is_chunking else after_data(wire)
            return await self._pipelined.send(Transaction(mail, rcpt, body, formed(wire).may_go))
        try:
            return await self._send_step_by_step(mail, rcpt, wire)
        except BaseException:
            self.close()  # a conversation left in the middle: nobody may go on with it
            raise

    async def _send_step_by_step(self, mail: bytes, rcpt: bytes, wire: bytes | Formed) -> SendResult:
        times = self._relay.timeouts
        steps = ((Phase.MAIL, times.mail_s, mail), (Phase.RCPT, times.rcpt_s, rcpt), (Phase.DATA, times.data_s, _DATA))
        for phase, timeout_s, command in steps:
            result = await self._step(phase, timeout_s, command)
            if result.verdict is not Verdict.ACCEPTED:
                await self._recover(result)
                return result
        result = await self._write(wire)
        if result.verdict is Verdict.DOUBT:
            self.close()
        elif result.verdict is not Verdict.ACCEPTED:
            await self._recover(result)  # some relays keep the transaction open, see `protocol`
        return result

    def _too_big(self, size: int) -> SendResult:
        reply = Reply(552, "5.3.4", f"5.3.4 the mail has {size} bytes, the relay takes {self._size_limit}")
        return SendResult(classify(Phase.MAIL, reply), reply, Phase.MAIL)

    async def _step(self, phase: Phase, timeout_s: float, command: bytes) -> SendResult:
        try:
            code, text = await self._client.execute_command(command.removesuffix(b"\r\n"), timeout=timeout_s)
        except (*_LOST_CONNECTION, SMTPResponseException):  # the last: a reply that is no SMTP
            self.close()
            return SendResult(Verdict.LOST, None, phase)
        reply = Reply.parse(code, text)
        return SendResult(classify(phase, reply), reply, phase)

    async def _recover(self, result: SendResult) -> None:
        """Make the connection fit for the next mail after an error, or close it."""
        if result.verdict in {Verdict.LOST, Verdict.RELAY_BUSY}:
            self.close()
        elif self._client.is_connected:
            reset = await self._step(Phase.MAIL, self._relay.timeouts.mail_s, b"RSET\r\n")
            if reset.verdict is not Verdict.ACCEPTED:
                self.close()

    async def _write(self, wire: bytes | Formed) -> SendResult:
        protocol = self._client.protocol
        if protocol is None or not formed(wire).may_go():
            self.close()
            return SendResult(Verdict.LOST, None, Phase.DATA)
        try:
            protocol.write(b"".join(after_data(wire)))
        except SMTPServerDisconnected:  # raised before anything is written
            return SendResult(Verdict.LOST, None, Phase.DATA)
        try:
            code, text = await protocol.read_response(timeout=self._relay.timeouts.dot_s)
        except (*_LOST_CONNECTION, SMTPResponseException):
            return SendResult(Verdict.DOUBT, None, Phase.DOT)
        reply = Reply.parse(code, text)
        return SendResult(classify(Phase.DOT, reply), reply, Phase.DOT)


def _take_over(relay: Relay, client: SMTP) -> Pipelined | None:
    if relay.pipelining is Pipelining.OFF or not client.supports_extension("pipelining"):
        return None
    if client.transport is None:  # it died since; the plain path says so
        return None
    is_chunking = relay.chunking is Chunking.AUTO and client.supports_extension("chunking")
    window = CHUNKED_WINDOW if is_chunking else PIPELINED_WINDOW
    transport = cast("asyncio.Transport", client.transport)
    return Pipelined(transport, relay.timeouts, is_chunking=is_chunking, window=window)


def _size_limit(client: SMTP) -> int:
    """The largest message it says it takes, in bytes; 0 means no limit (RFC 1870 §4)."""
    limit = client.esmtp_extensions.get("size", "")
    return int(limit) if limit.isdigit() else 0
