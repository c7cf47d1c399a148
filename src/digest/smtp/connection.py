"""One connection to the relay, and mails over it one after the other.

Rules of this file: every command is its own step, so that it is known in which one a connection died. Until the
first byte of the message is handed to the transport, nothing can have been accepted (LOST: free to try again). From
then until a whole reply is read nobody can know (DOUBT, RFC 1047). A reply that was read is definite, always.
aiosmtplib carries connecting, TLS, login and single commands; its ``data`` and ``sendmail`` raise the same error
before and after the dot and rewrite the bytes, so the message itself is written here.
"""

from __future__ import annotations

import contextlib
import re
import ssl
import time
from dataclasses import dataclass

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPException,
    SMTPReadTimeoutError,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from email_validator import EmailNotValidError, validate_email

from digest.model.errors import MessageInvalid, RelayRefused, RelayUnreachable
from digest.smtp.relay import Relay, Tls
from digest.smtp.replies import Phase, Reply, Verdict, classify

_LOST_CONNECTION = (SMTPServerDisconnected, SMTPTimeoutError, ConnectionError, ssl.SSLError)
_BAD_PATH = re.compile(r"[\s<>\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class SendResult:
    """How one mail ended: the verdict, the reply that decided it (None if none was read), and the phase it was in."""

    verdict: Verdict
    reply: Reply | None
    phase: Phase


def tls_context(relay: Relay) -> ssl.SSLContext:
    """The TLS settings for a relay; slow to make (it reads the system's certificates), so made once a pool.

    Raises RelayRefused when ``ca_file`` cannot be read.
    """
    context = ssl.create_default_context()
    if relay.ca_file is not None:
        try:
            context.load_verify_locations(cafile=relay.ca_file)
        except OSError as problem:
            raise RelayRefused(
                f"cannot read the certificates in {relay.ca_file}: {problem}",
                hint=f"set relays.{relay.name}.ca_file to a PEM file",
            ) from problem
    if not relay.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Connection:
    """An open, logged-in connection. Made by `Connection.open`; one `send` at a time."""

    def __init__(self, relay: Relay, client: SMTP) -> None:
        self._relay = relay
        self._client = client
        self._opened_at = time.monotonic()
        self.message_count = 0

    @classmethod
    async def open(cls, relay: Relay, *, tls: ssl.SSLContext | None) -> Connection:
        """Connect, secure and log in. Raises RelayUnreachable (try later) or RelayRefused (change something)."""
        _refuse_login_in_clear(relay)
        client = SMTP(
            hostname=relay.host,
            port=relay.port,
            local_hostname=relay.ehlo_name,
            timeout=relay.connect_timeout_s,
            use_tls=relay.tls is Tls.IMPLICIT,
            start_tls=False,  # done below: then its failures can be told from those of connecting
            tls_context=tls,
        )
        phase = Phase.CONNECT
        try:
            await client.connect()
            await client.ehlo()
            if relay.tls is Tls.STARTTLS:
                phase = Phase.TLS
                await _upgrade(relay, client)
            if relay.username is not None:
                phase = Phase.LOGIN
                await _log_in(relay, client)
        except SMTPResponseException as problem:
            client.close()
            raise _refusal(relay, phase, Reply.parse(problem.code, problem.message)) from problem
        except (SMTPException, OSError) as problem:
            client.close()
            raise _unreachable(relay, problem) from problem
        except BaseException:  # refused, or cancelled
            client.close()
            raise
        return cls(relay, client)

    @property
    def is_usable(self) -> bool:
        """Whether another mail may go over it: alive, not worn out by count, not too old."""
        return (
            self._client.is_connected
            and self.message_count < self._relay.max_messages_per_connection
            and time.monotonic() - self._opened_at < self._relay.max_connection_age_s
        )

    def close(self) -> None:
        """Drop the connection without a word."""
        self._client.close()

    async def quit(self) -> None:
        """Say QUIT and close. What was accepted stays accepted, whatever becomes of the QUIT."""
        with contextlib.suppress(SMTPException, OSError):  # we are leaving either way
            await self._client.quit(timeout=self._relay.timeouts.quit_s)
        self._client.close()

    async def send(self, mail_from: str, rcpt_to: str, wire: bytes) -> SendResult:
        """Send one mail to one recipient. ``wire`` is the finished message; ``mail_from`` may be ``""``.

        Raises MessageInvalid when an address cannot stand in a command; everything the relay may do is a verdict.
        """
        sender, recipient = _path(mail_from), _path(rcpt_to)
        needs_utf8 = not (sender + recipient).isascii()
        if needs_utf8 and not self._client.supports_extension("smtputf8"):
            return SendResult(Verdict.NEEDS_SMTPUTF8, None, Phase.RCPT)
        if result := self._too_big(len(wire)):
            return result
        self.message_count += 1
        options = [b"SIZE=%d" % len(wire)] if self._client.supports_extension("size") else []
        options += [b"BODY=8BITMIME", b"SMTPUTF8"] if needs_utf8 else []
        times = self._relay.timeouts
        steps = (
            (Phase.MAIL, times.mail_s, (b"MAIL", b"FROM:<%b>" % sender.encode(), *options)),
            (Phase.RCPT, times.rcpt_s, (b"RCPT", b"TO:<%b>" % recipient.encode())),
            (Phase.DATA, times.data_s, (b"DATA",)),
        )
        for phase, timeout_s, command in steps:
            result = await self._step(phase, timeout_s, command)
            if result.verdict is not Verdict.ACCEPTED:
                await self._recover(result)
                return result
        result = await self._write(wire)
        if result.verdict in {Verdict.LOST, Verdict.DOUBT, Verdict.RELAY_BUSY}:
            self.close()
        return result

    def _too_big(self, size: int) -> SendResult | None:
        limit = self._client.esmtp_extensions.get("size", "")
        if not limit.isdigit() or not 0 < int(limit) < size:  # 0 means no limit, RFC 1870 §4
            return None
        reply = Reply(552, "5.3.4", f"5.3.4 the mail has {size} bytes, the relay takes {limit}")
        return SendResult(classify(Phase.MAIL, reply), reply, Phase.MAIL)

    async def _step(self, phase: Phase, timeout_s: float, command: tuple[bytes, ...]) -> SendResult:
        try:
            code, text = await self._client.execute_command(*command, timeout=timeout_s)
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
            reset = await self._step(Phase.MAIL, self._relay.timeouts.mail_s, (b"RSET",))
            if reset.verdict is not Verdict.ACCEPTED:
                self.close()

    async def _write(self, wire: bytes) -> SendResult:
        protocol = self._client.protocol
        if protocol is None:
            return SendResult(Verdict.LOST, None, Phase.DATA)
        try:
            protocol.write(dot_stuffed(wire))
        except SMTPServerDisconnected:  # raised before anything is written
            return SendResult(Verdict.LOST, None, Phase.DATA)
        try:
            code, text = await protocol.read_response(timeout=self._relay.timeouts.dot_s)
        except (*_LOST_CONNECTION, SMTPResponseException):
            return SendResult(Verdict.DOUBT, None, Phase.DOT)
        reply = Reply.parse(code, text)
        return SendResult(classify(Phase.DOT, reply), reply, Phase.DOT)


def dot_stuffed(wire: bytes) -> bytes:
    """The message as it follows DATA: lines that start with a dot get another, a lone dot ends it (RFC 5321 §4.5.2)."""
    if b"\r\n." in wire:
        wire = wire.replace(b"\r\n.", b"\r\n..")
    lead = b"." if wire.startswith(b".") else b""
    tail = b".\r\n" if wire.endswith(b"\r\n") else b"\r\n.\r\n"
    return b"%b%b%b" % (lead, wire, tail)


def _path(address: str) -> str:
    """The address as it stands in MAIL or RCPT: the domain as A-labels wherever the local part is ASCII."""
    if _BAD_PATH.search(address):
        raise MessageInvalid(f"{address[:80]!r} cannot stand in an SMTP command")
    if address.isascii() or not address.partition("@")[0].isascii():
        return address
    try:
        return validate_email(address, check_deliverability=False).ascii_email or address
    except EmailNotValidError as problem:
        raise MessageInvalid(f"{address[:80]!r} is not an e-mail address: {problem}") from problem


def _refuse_login_in_clear(relay: Relay) -> None:
    if relay.username is not None and relay.tls is Tls.NONE and not relay.is_loopback:
        raise RelayRefused(
            f"relay {relay.name!r} would get the password of {relay.username!r} unencrypted",
            hint=f'set relays.{relay.name}.tls to "starttls" (port 587) or "implicit" (port 465)',
        )


async def _upgrade(relay: Relay, client: SMTP) -> None:
    if not client.supports_extension("starttls"):
        raise RelayRefused(
            f"relay {relay.name!r} at {relay.address} does not offer STARTTLS",
            hint=f'set relays.{relay.name}.tls to "implicit" (port 465), or "none" for a relay on this machine',
        )
    await client.starttls()
    await client.ehlo()  # RFC 3207 §4.2: what was said before TLS counts for nothing


async def _log_in(relay: Relay, client: SMTP) -> None:
    """Try one method once: each further try with a wrong password brings an account closer to being locked."""
    username, password = relay.username or "", relay.password or ""
    timeout_s = relay.timeouts.login_s
    if "plain" in client.server_auth_methods:
        await client.auth_plain(username, password, timeout=timeout_s)
    elif "login" in client.server_auth_methods:
        await client.auth_login(username, password, timeout=timeout_s)
    elif "cram-md5" in client.server_auth_methods:
        await client.auth_crammd5(username, password, timeout=timeout_s)
    else:
        offered = ", ".join(client.server_auth_methods) or "none"
        raise RelayRefused(
            f"relay {relay.name!r} at {relay.address} offers no way to log in that we know (it offers: {offered})",
            hint=f"remove relays.{relay.name}.username, or change relays.{relay.name}.tls or port",
        )


def _refusal(relay: Relay, phase: Phase, reply: Reply) -> RelayRefused | RelayUnreachable:
    if classify(phase, reply) is not Verdict.RELAY_REFUSED:
        return RelayUnreachable(
            f"relay {relay.name!r} at {relay.address} takes no mail now ({reply})",
            hint="nothing was lost: the deliveries wait and are tried again",
        )
    if phase is Phase.LOGIN and isinstance(relay.username, str):
        return RelayRefused(
            f"relay {relay.name!r} refused the login of {relay.username!r} ({reply})",
            hint=f"check relays.{relay.name}.username and password_file",
        )
    return RelayRefused(
        f"relay {relay.name!r} at {relay.address} refused the connection ({reply})",
        hint=f"check relays.{relay.name}.host, port and tls",
    )


def _unreachable(relay: Relay, problem: BaseException) -> RelayRefused | RelayUnreachable:
    cause = _tls_cause(problem)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return RelayRefused(
            f"the certificate of relay {relay.name!r} at {relay.address} is not trusted: {cause.verify_message}",
            hint=f"check relays.{relay.name}.host, or set relays.{relay.name}.ca_file to the authority that signed it",
        )
    if cause is not None:
        return RelayRefused(
            f"relay {relay.name!r} at {relay.address} does not speak TLS as configured: {cause.reason or cause}",
            hint=f'check relays.{relay.name}.port and tls: "implicit" is usual on 465, "starttls" on 587',
        )
    said = "no answer in time" if isinstance(problem, TimeoutError | SMTPReadTimeoutError) else str(problem)
    return RelayUnreachable(
        f"cannot reach relay {relay.name!r} at {relay.address}: {said}",
        hint=f"is it running? check relays.{relay.name}.host and port; the deliveries wait meanwhile",
    )


def _tls_cause(problem: BaseException) -> ssl.SSLError | None:
    """The TLS error behind an exception, if there is one."""
    at: BaseException | None = problem
    while at is not None:
        if isinstance(at, ssl.SSLError):
            return at
        at = at.__cause__ or at.__context__
    return None
