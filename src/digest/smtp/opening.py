"""Opening a connection to the relay: TCP, TLS and login, and what to tell people when that fails.

Rules of this file: each phase is a step of its own, so that its failure has its own words; a password never travels
unencrypted to another machine, and is tried once. aiosmtplib carries it all; what comes after is `connection`'s.
"""

from __future__ import annotations

import ssl

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPReadTimeoutError, SMTPResponseException

from digest.model.errors import RelayRefused, RelayUnreachable
from digest.smtp.relay import Relay, Tls
from digest.smtp.replies import Phase, Reply, Verdict, classify


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


async def open_client(relay: Relay, *, tls: ssl.SSLContext | None) -> SMTP:
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
    return client


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
