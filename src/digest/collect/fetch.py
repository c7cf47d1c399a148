"""Fetching a document: over HTTP politely and within limits, or from this machine's disk.

Nothing here raises anything but `SourceUnreachable`, in words an operator understands. Validators are kept and
sent back byte for byte (RFC 9110 §13): normalising them is how pollers get themselves blocked.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp

from digest import __version__
from digest.collect import guard
from digest.config.settings import CollectSettings
from digest.feeds.localfile import SUFFIXES
from digest.model.errors import SourceUnreachable

MAX_REDIRECTS = 5
MAX_FILES = 2000

_CONNECT_S = 5.0
_CHUNK_BYTES = 64 * 1024
_ACCEPT = (
    "application/rss+xml, application/atom+xml, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
)
_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})")
_STATUS_HINTS = {
    401: "the address needs a login; use a public one",
    403: "the site refuses automatic readers; ask the publisher, or use another feed",
    404: "check the address; the feed may have moved",
    410: "the publisher took it down for good; remove the source",
    429: "the site asks to come less often; it will be tried again later",
}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched document. ``body`` is None when it has not changed since the validators were given."""

    url: str
    body: bytes | None
    content_type: str = ""
    etag: str | None = None
    last_modified: str | None = None
    max_age_s: int | None = None

    @property
    def body_hash(self) -> str | None:
        """Hex SHA-256 of the body."""
        return hashlib.sha256(self.body).hexdigest() if self.body is not None else None


class Fetcher:
    """An HTTP client for one collecting run. Enter it with ``async with``."""

    def __init__(self, settings: CollectSettings, *, base_url: str) -> None:
        self._settings = settings
        self._user_agent = f"Digest/{__version__} (+{base_url})"
        self._hosts: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        make_socket = guard.plain_socket if self._settings.allow_private_networks else guard.guarded_socket
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=make_socket, ttl_dns_cache=60),
            headers={"User-Agent": self._user_agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip, deflate"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # a proxy would connect for us, behind the guard's back
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, *, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """The document at ``url``; one request to a host at a time. Raises SourceUnreachable."""
        async with self._hosts[_host(url)]:
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    return await self._follow(url, etag=etag, last_modified=last_modified)
            except TimeoutError as error:
                raise SourceUnreachable(
                    f"{_host(url)} did not finish answering within {self._settings.timeout_s:g} seconds",
                    hint="it will be tried again; raise collect.timeout_s if this site is always slow",
                ) from error
            except (aiohttp.ClientError, OSError, ValueError) as error:
                # ValueError: aiohttp's word for addresses and headers it cannot read
                raise explain(error, url) from error

    async def _follow(self, url: str, *, etag: str | None, last_modified: str | None) -> Fetched:
        assert self._session is not None, "use `async with`"  # noqa: S101 - a programming fault, not an outcome
        conditions = {}
        if etag:
            conditions["If-None-Match"] = etag
        if last_modified:
            conditions["If-Modified-Since"] = last_modified
        for _hop in range(MAX_REDIRECTS + 1):
            async with self._session.get(url, headers=conditions, allow_redirects=False) as response:
                if response.status in {301, 302, 303, 307, 308}:
                    url = _next_hop(url, response.headers.get("Location", ""))
                    continue
                return await self._read(response, url)
        raise SourceUnreachable(
            f"{_host(url)} redirects more than {MAX_REDIRECTS} times", hint="use the address the browser ends up at"
        )

    async def _read(self, response: aiohttp.ClientResponse, url: str) -> Fetched:
        age = _MAX_AGE.search(response.headers.get("Cache-Control", ""))
        validators = {
            "etag": response.headers.get("ETag"),
            "last_modified": response.headers.get("Last-Modified"),
            "max_age_s": int(age.group(1)) if age else None,
        }
        if response.status == 304:
            return Fetched(url=url, body=None, **validators)  # type: ignore[arg-type]  # a mixed dict of known keys
        if response.status != 200:
            raise _bad_status(response.status, url)
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._settings.max_bytes:
                raise SourceUnreachable(
                    f"the document is larger than {self._settings.max_bytes:,} bytes",
                    hint="this is not an ordinary feed; raise collect.max_bytes if it really is one",
                )
        content_type = response.headers.get("Content-Type", "")
        return Fetched(url=url, body=bytes(body), content_type=content_type, **validators)  # type: ignore[arg-type]  # the same


def read_files(path: Path, *, max_bytes: int) -> list[tuple[str, bytes]]:
    """(absolute path, content) of a file, or of every article file below a folder, by name.

    Hidden files and folders are left out. Raises SourceUnreachable when there is nothing to read.
    """
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file() and not _is_hidden(file.relative_to(path))
        )[:MAX_FILES]
        if not files:
            raise SourceUnreachable(f"there are no articles in {path}", hint=f"put files there: {', '.join(SUFFIXES)}")
    elif path.exists():
        files = [path]
    else:
        raise SourceUnreachable(f"there is no file or folder {path}", hint="check the path; relative paths start here")
    return [(str(file.absolute()), _read_file(file, max_bytes)) for file in files]


def explain(error: Exception, url: str) -> SourceUnreachable:
    """An error of the HTTP library or the system in plain words, with what to do."""
    host = _host(url)
    refused = _find(error, guard.AddressRefused)
    if refused:
        return SourceUnreachable(
            f"{host} is on a private network ({refused})",
            hint="set collect.allow_private_networks = true if this source is on your own intranet",
        )
    for kinds, message, hint in _EXPLANATIONS:
        if isinstance(error, kinds):
            return SourceUnreachable(message.format(host=host, port=_port(url), reason=_reason(error)), hint=hint)
    return SourceUnreachable(f"{host} broke off its answer ({_reason(error)})", hint="it will be tried again")


_EXPLANATIONS: tuple[tuple[tuple[type[Exception], ...], str, str], ...] = (  # the special before the general
    ((aiohttp.ClientConnectorDNSError,), "the name {host} is not known (DNS)", "check the spelling of the address"),
    (
        (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError),
        "the TLS certificate or handshake of {host} failed: {reason}",
        "the site's owner has to put that right; try the address in a browser",
    ),
    (
        (aiohttp.ClientConnectorError,),
        "{host} does not accept connections on port {port}",
        "check the address and its port; it will be tried again",
    ),
    ((aiohttp.ServerTimeoutError,), "{host} does not answer", "check the address; it will be tried again"),
    ((aiohttp.InvalidURL, ValueError), "{host!r} is not an address that can be fetched", "check the address"),
)


def _find(error: BaseException, wanted: type[guard.AddressRefused]) -> BaseException | None:
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
        pending += list(getattr(one, "exceptions", ()))
    return None


def _reason(error: Exception) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return " ".join(str(text).split())[:200]


def _bad_status(status: int, url: str) -> SourceUnreachable:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "an unknown status"
    fallback = "the site has a fault; it will be tried again" if status >= 500 else "open the address in a browser"
    return SourceUnreachable(f"{_host(url)} answered {status} {phrase}", hint=_STATUS_HINTS.get(status, fallback))


def _next_hop(url: str, location: str) -> str:
    if not location:
        raise SourceUnreachable(f"{_host(url)} redirects to nowhere", hint="tell the site's owner")
    target = urljoin(url, location)
    if urlsplit(target).scheme not in {"http", "https"}:
        raise SourceUnreachable(f"{_host(url)} redirects to {target[:80]!r}", hint="only http and https are followed")
    return target


def _port(url: str) -> int:
    """Where a connection was tried; 0 for an address that cannot be read."""
    try:
        parts = urlsplit(url)
        given = parts.port
    except ValueError:
        return 0
    return given or (443 if parts.scheme == "https" else 80)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _read_file(file: Path, max_bytes: int) -> bytes:
    try:
        if file.stat().st_size > max_bytes:
            raise SourceUnreachable(
                f"{file} is larger than {max_bytes:,} bytes", hint="raise collect.max_bytes, or split the file"
            )
        return file.read_bytes()
    except OSError as error:
        raise SourceUnreachable(f"{file} cannot be read ({error.strerror})", hint="check its permissions") from error
