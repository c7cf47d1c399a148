"""Fetching a document over HTTP: politely, within limits, and not from where we must not.

Nothing here raises anything but `FetchFailed` (a SourceUnreachable), in words an operator understands. Validators are
kept and sent back byte for byte (RFC 9110 §13): normalising them is how pollers get themselves blocked. Redirects are
followed here and not by the library, so that every hop is checked, waits for its own host's turn and takes no
credentials along.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver

from digest import __version__
from digest.collect import schedule
from digest.collect.guard import Guard, is_public
from digest.collect.hosts import Hosts
from digest.collect.journey import Journey
from digest.collect.robots import PRODUCT, Answer, Robots
from digest.collect.troubles import FetchFailed, Trouble, bad_status, explain, host_key, host_of, too_slow
from digest.collect.unpack import TooLarge, Undecodable, Unpacker
from digest.config.collecting import CollectSettings
from digest.model.errors import ConfigInvalid

_CONNECT_S = 5.0
_FIRST_BYTE_S = 10.0
#: Longer than the pause between two pages; but a thousand idle connections would be more than a process may have.
_KEEP_ALIVE_S = 5.0
_PIECE_BYTES = 64 * 1024
_ROBOTS_BYTES = 512 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PERMANENT = frozenset({301, 308})
_ACCEPT_FEED = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml, application/xml;q=0.9, "
    "text/xml;q=0.9, */*;q=0.5"
)
_ACCEPT_PAGE = "text/html, application/xhtml+xml, */*;q=0.5"

_log = structlog.get_logger()


class Purpose(StrEnum):
    """What a document is fetched for. ``page``: robots.txt is obeyed and pages of a host are a pause apart."""

    FEED = "feed"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched document. ``body`` is None when it has not changed since the validators were given.

    ``url`` is where it came from in the end; ``moved_to`` is where permanent redirects lead, before the first
    temporary one. ``fresh_for`` is how long the server says it stays true; ``links`` are the Link headers' targets
    by relation, absolute. ``wire_bytes`` counts the body as it came.
    """

    url: str
    body: bytes | None
    content_type: str = ""
    etag: str | None = None
    last_modified: str | None = None
    fresh_for: timedelta | None = None
    moved_to: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    wire_bytes: int = 0

    @property
    def body_hash(self) -> str | None:
        """Hex SHA-256 of the body."""
        return hashlib.sha256(self.body).hexdigest() if self.body is not None else None


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


class Fetcher:
    """An HTTP client for one collecting run. Enter it with ``async with``.

    ``hosts`` is what hosts told us (in memory only, without it); ``resolver`` takes the place of the system's DNS;
    ``clock`` is what holds and robots.txt are measured by.
    """

    def __init__(
        self,
        settings: CollectSettings,
        *,
        base_url: str,
        hosts: Hosts | None = None,
        resolver: AbstractResolver | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._contact = settings.contact or base_url
        self._clock = clock
        self._hosts = hosts or Hosts(clock=clock)
        self._robots = Robots(self._hosts, self._ask_robots, clock=clock)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        guard = Guard(
            allows_private=self._settings.allow_private_networks,
            networks=self._settings.allow_networks,
            ports=frozenset(self._settings.allow_ports),
        )
        limit_s = self._settings.timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                socket_factory=guard.socket,
                resolver=self._resolver,
                ttl_dns_cache=60,
                keepalive_timeout=_KEEP_ALIVE_S,
                limit=0,  # whoever asks for many hosts at once says how many; one host is limited by its turn
                ssl=_context(self._settings.ca_file),
            ),
            headers={"User-Agent": f"{PRODUCT}/{__version__} (+{self._contact})", "Accept-Encoding": "gzip, deflate"},
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=min(_CONNECT_S, limit_s), sock_read=min(_FIRST_BYTE_S, limit_s)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,  # a proxy would connect for us, behind the guard's back
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        purpose: Purpose = Purpose.FEED,
        insecure_tls: bool = False,
    ) -> Fetched:
        """The document at ``url``; one request to a host at a time. Raises FetchFailed.

        ``insecure_tls`` takes any certificate, and is logged each time.
        """
        headers = {"Accept": _ACCEPT_PAGE if purpose is Purpose.PAGE else _ACCEPT_FEED}
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        obeys_robots = purpose is Purpose.PAGE
        return await self._travel(
            Journey(url, self._settings.timeout_s, headers, obeys_robots=obeys_robots, insecure_tls=insecure_tls)
        )

    async def post(self, url: str, form: Mapping[str, str]) -> int:
        """Send a form and give the status; no redirect is followed. Raises FetchFailed."""
        journey = Journey(url, self._settings.timeout_s, {})
        try:
            async with (
                self._hosts.turn(host_key(url)),
                asyncio.timeout(self._settings.timeout_s),
                self._open().post(url, data=form, allow_redirects=False) as response,
            ):
                return response.status
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise self._explained(error, journey) from error

    async def _ask_robots(self, url: str) -> Answer:
        journey = Journey(url, self._settings.timeout_s, {}, max_bytes=_ROBOTS_BYTES)
        try:
            fetched = await self._travel(journey)
        except FetchFailed as failure:
            if journey.status is None or failure.trouble in {Trouble.REDIRECT, Trouble.PRIVATE}:
                return Answer(None)
            if failure.trouble is Trouble.SIZE:  # its first rules cannot be told from its last
                return Answer(200, "User-agent: *\nDisallow: /")
            return Answer(journey.status)
        return Answer(200, (fetched.body or b"").decode("utf-8", "replace"))

    async def _travel(self, journey: Journey) -> Fetched:
        """From address to address until a document comes."""
        while True:
            name = host_key(journey.url)
            pause_s = await self._permitted_pause_s(journey.url) if journey.obeys_robots else 0.0
            try:
                async with self._hosts.turn(name, pause_s=pause_s):
                    await self._refuse_held(name, journey.url)
                    began = time.monotonic()
                    try:
                        async with asyncio.timeout(journey.left_s):
                            fetched = await self._ask(journey)
                    finally:
                        journey.left_s -= time.monotonic() - began
            except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
                # ValueError: aiohttp's word for addresses and headers it cannot read
                raise self._explained(error, journey) from error
            if fetched is not None:
                return fetched

    async def _permitted_pause_s(self, url: str) -> float:
        """Seconds to leave between this page and the last one of its host. Raises FetchFailed where robots.txt bars it.

        Asked at every hop: where a redirect leads is another page, and maybe another site's.
        """
        permission = await self._robots.permission(url)
        if not permission.is_allowed:
            raise FetchFailed(
                f"pages of {host_of(url)} are not for machines: {permission.why}",
                hint="Digest keeps to that; ask the publisher for a feed",
                trouble=Trouble.UNAVAILABLE if permission.may_change else Trouble.ROBOTS,
            )
        pause_s = self._settings.page_delay_s
        return pause_s if not pause_s and _is_own(url) else max(pause_s, permission.delay_s)

    def _explained(self, error: Exception, journey: Journey) -> FetchFailed:
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
            return too_slow(journey.url, self._settings.timeout_s)
        return explain(error, journey.url)

    async def _refuse_held(self, name: str, url: str) -> None:
        until = await self._hosts.held_until(name)
        if until is not None:
            raise FetchFailed(
                f"{host_of(url)} asked to be left alone until {until:%Y-%m-%d %H:%M} UTC",
                hint="nothing of this host is fetched before",
                trouble=Trouble.HELD,
                retry_after=until - self._clock(),
            )

    async def _ask(self, journey: Journey) -> Fetched | None:
        """One request. None: it was a redirect, and the journey goes on."""
        url = journey.url
        if journey.insecure_tls:
            _log.warning("fetch.insecure_tls", host=host_of(url))
        request = self._open().get(url, headers=journey.headers, allow_redirects=False, ssl=not journey.insecure_tls)
        async with request as response:
            journey.status = response.status
            if response.status in _REDIRECTS:
                journey.turn_to(response.headers.get("Location", ""), is_permanent=response.status in _PERMANENT)
                return None
            return await self._read(response, journey)

    async def _read(self, response: aiohttp.ClientResponse, journey: Journey) -> Fetched:
        headers, now, name = response.headers, self._clock(), host_key(journey.url)
        fresh_for = schedule.fresh_for(headers, now=now)
        if response.status not in {200, 203, 304} or (response.status == 304 and not journey.is_conditional):
            wait = schedule.retry_after(headers.get("Retry-After", ""), now=now)
            if response.status == 429:
                await self._hosts.refused(name, retry_after=wait)
            raise bad_status(response.status, journey.url, retry_after=wait, fresh_for=fresh_for)
        body, wire_bytes = None, 0
        if response.status != 304:
            body, wire_bytes = await _body(response, journey.url, journey.max_bytes or self._settings.max_bytes)
        await self._hosts.answered(name)
        return Fetched(
            url=journey.url,
            body=body,
            content_type=headers.get("Content-Type", ""),
            etag=headers.get("ETag"),
            last_modified=headers.get("Last-Modified"),
            fresh_for=fresh_for,
            moved_to=journey.moved_to,
            links=_links(response),
            wire_bytes=wire_bytes,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise AssertionError("use `async with`")
        return self._session


def _is_own(url: str) -> bool:
    """Whether the address itself says that the server is on this machine or a private network."""
    host = host_of(url)
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost"


def _links(response: aiohttp.ClientResponse) -> dict[str, str]:
    try:
        return {str(rel): str(link["url"]) for rel, link in response.links.items() if "url" in link}
    except ValueError:  # a header nobody can read costs the document nothing
        return {}


async def _body(response: aiohttp.ClientResponse, url: str, max_bytes: int) -> tuple[bytes, int]:
    """(the document, the bytes that came for it), counted while they come."""
    try:
        unpacker = Unpacker(response.headers.get("Content-Encoding", ""), max_bytes=max_bytes)
        unpacker.expect(response.content_length or 0)
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            unpacker.feed(piece)
        return unpacker.finish(), unpacker.wire_bytes
    except TooLarge as error:
        raise FetchFailed(
            f"the document of {host_of(url)} is too large: {error}",
            hint="this is not an ordinary feed; raise collect.max_bytes if it really is one",
            trouble=Trouble.SIZE,
        ) from error
    except Undecodable as error:
        raise FetchFailed(
            f"the answer of {host_of(url)} is damaged: {error}", hint="it will be tried again", trouble=Trouble.BROKEN
        ) from error


def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigInvalid(
                f"collect.ca_file {ca_file} cannot be read: {error.strerror or error}", hint="it must be a PEM file"
            ) from error
    return context
