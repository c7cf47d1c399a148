"""What can go wrong when something is fetched, in words an operator understands, with what to do next."""

from __future__ import annotations

import re
import ssl
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp

from digest.collect import guard
from digest.model.errors import SourceUnreachable


class Trouble(StrEnum):
    """Kinds of failure, as far as what to do about them differs."""

    GONE = "gone"
    REFUSED = "refused"
    TOO_MANY = "too-many-requests"
    UNAVAILABLE = "unavailable"
    SERVER = "server-error"
    DEAD = "dead"
    TLS = "tls"
    TIME = "time"
    SIZE = "size"
    REDIRECT = "redirect"
    PRIVATE = "private"
    ROBOTS = "robots"
    HELD = "held"
    BROKEN = "broken"


class FetchFailed(SourceUnreachable):
    """The document cannot be fetched.

    ``retry_after``: how long the server wants to be left alone. ``fresh_for``: how long its answer stays true.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str,
        trouble: Trouble,
        retry_after: timedelta | None = None,
        fresh_for: timedelta | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.trouble = trouble
        self.retry_after = retry_after
        self.fresh_for = fresh_for


_LATER = "it will be tried again"
_STATUS_HINTS = {
    401: "the address needs a login; use a public one",
    403: "the site refuses automatic readers; ask the publisher, or use another feed",
    404: "check the address; the feed may have moved",
    410: "the publisher took it down for good; remove the source, or `digest source resume` it if that is wrong",
    429: "the site asks to come less often; it will be tried again later",
    503: "the site is down for now; it will be tried again when it said",
}
_STATUS_TROUBLES = {
    401: Trouble.REFUSED,
    403: Trouble.REFUSED,
    404: Trouble.REFUSED,
    410: Trouble.GONE,
    429: Trouble.TOO_MANY,
    503: Trouble.UNAVAILABLE,
}
#: OpenSSL's verification errors (X509_V_ERR_…), see `man openssl-verification-options`.
_EXPIRED, _NOT_YET, _SELF_SIGNED, _WRONG_NAME = 10, 9, {18, 19}, {62, 63, 64}
_OWN_CA = "set collect.ca_file to your authority, or `digest source set SOURCE --insecure-tls` for this source alone"


def bad_status(
    status: int, url: str, *, retry_after: timedelta | None = None, fresh_for: timedelta | None = None
) -> FetchFailed:
    """An answer that is no document."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "an unknown status"
    fallback = f"the site has a fault; {_LATER}" if status >= 500 else "open the address in a browser"
    return FetchFailed(
        f"{host_of(url)} answered {status} {phrase}",
        hint=_STATUS_HINTS.get(status, fallback),
        trouble=_STATUS_TROUBLES.get(status, Trouble.SERVER),
        retry_after=retry_after,
        fresh_for=fresh_for,
    )


def too_slow(url: str, seconds: float) -> FetchFailed:
    """The whole took too long."""
    return FetchFailed(
        f"{host_of(url)} did not finish answering within {seconds:g} seconds",
        hint="it will be tried again; raise collect.timeout_s if this site is always slow",
        trouble=Trouble.TIME,
    )


def explain(error: Exception, url: str) -> FetchFailed:
    """An error of the HTTP library or the system in plain words, with what to do."""
    host = host_of(url)
    refused = _find(error, guard.AddressRefused)
    if isinstance(refused, guard.PortRefused):
        return FetchFailed(
            f"{host} is on port {port_of(url)}, which is not 80 or 443",
            hint="add the port to collect.allow_ports if this source is really there",
            trouble=Trouble.PRIVATE,
        )
    if refused is not None:
        return FetchFailed(
            f"{host} is on a private network ({refused})",
            hint="add its network to collect.allow_networks if this source is on your own intranet, or allow all of "
            "them with collect.allow_private_networks = true",
            trouble=Trouble.PRIVATE,
        )
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _bad_certificate(error.certificate_error, host)
    for kinds, message, hint, trouble in _EXPLANATIONS:
        if isinstance(error, kinds):
            text = message.format(host=host, port=port_of(url), reason=_reason(error))
            return FetchFailed(text, hint=hint, trouble=trouble)
    return FetchFailed(f"{host} broke off its answer ({_reason(error)})", hint=_LATER, trouble=Trouble.BROKEN)


_EXPLANATIONS: tuple[tuple[tuple[type[Exception], ...], str, str, Trouble], ...] = (  # the special before the general
    (
        (aiohttp.ClientConnectorDNSError,),
        "the name {host} is not known (DNS)",
        "check the spelling of the address",
        Trouble.DEAD,
    ),
    (
        (aiohttp.ClientSSLError, ssl.SSLError),
        "the TLS handshake with {host} failed: {reason}",
        "the site's owner has to put that right; try the address in a browser",
        Trouble.TLS,
    ),
    (
        (aiohttp.ConnectionTimeoutError,),
        "{host} does not answer on port {port}",
        f"check the address; {_LATER}",
        Trouble.DEAD,
    ),
    (
        (aiohttp.ServerTimeoutError,),
        "{host} fell silent for too long",
        f"{_LATER}",
        Trouble.TIME,
    ),
    (
        (aiohttp.ClientConnectorError,),
        "{host} does not accept connections on port {port}",
        f"check the address and its port; {_LATER}",
        Trouble.DEAD,
    ),
    (
        (aiohttp.InvalidURL, ValueError),
        "{host!r} is not an address that can be fetched",
        "check the address",
        Trouble.BROKEN,
    ),
)


def _bad_certificate(error: Exception, host: str) -> FetchFailed:
    code = getattr(error, "verify_code", None)
    if code == _EXPIRED:
        message = f"the TLS certificate of {host} has expired"
        hint = f"its owner has to renew it; {_LATER}. Meanwhile `digest source set SOURCE --insecure-tls` reads it"
    elif code == _NOT_YET:
        message, hint = f"the TLS certificate of {host} is not valid yet", "compare this machine's clock with another"
    elif code in _SELF_SIGNED:
        message, hint = f"the TLS certificate of {host} is signed by itself or an unknown authority", _OWN_CA
    elif code in _WRONG_NAME:
        message = f"the TLS certificate of {host} is for another name"
        hint = "check the address; the right one may be with or without www."
    else:
        said = getattr(error, "verify_message", error)
        message, hint = f"the TLS certificate of {host} is not trusted: {said}", _OWN_CA
    return FetchFailed(message, hint=hint, trouble=Trouble.TLS)


def host_of(url: str) -> str:
    """The host for messages; the address itself where it has none that can be read."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def port_of(url: str) -> int:
    """Where a connection is tried; 0 for an address that cannot be read."""
    try:
        parts = urlsplit(url)
        given = parts.port
    except ValueError:
        return 0
    return given or (443 if parts.scheme == "https" else 80)


def host_key(url: str) -> str:
    """host:port in lower case, by which politeness is kept."""
    return f"{host_of(url).lower()}:{port_of(url)}"


def without_password(url: str) -> str:
    """The address as it may be shown: a password in it is left out."""
    return re.sub(r"(?<=://)([^/?#@:]*):[^/?#@]*@", r"\1:…@", url)


def _find(error: BaseException, wanted: type[BaseException]) -> BaseException | None:
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, wanted):
            return one
        pending += [one.__cause__, one.__context__, getattr(one, "os_error", None)]
        pending += [getattr(one, "certificate_error", None), *getattr(one, "exceptions", ())]
    return None


def _reason(error: Exception) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return " ".join(str(text).split())[:200]
