"""robots.txt (RFC 9309): what a site lets machines read, and how fast. For pages and listings, not for given feeds.

A feed that the owner of this installation names is read as a reader would read it; pages and listings that we find
our way to by ourselves are what robots.txt is about.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from protego import Protego

from digest.collect.hosts import Hosts
from digest.collect.troubles import host_key
from digest.model.errors import SourceUnreachable
from digest.model.fetching import HostRecord

#: The name we go by in robots.txt: the product token of our User-Agent (RFC 9309 §2.2.1).
PRODUCT = "Digest"
#: A longer Crawl-delay is shortened to this: else one page would take up a whole run.
MAX_CRAWL_DELAY_S = 30.0
_KEEP = timedelta(hours=24)
#: A robots.txt that cannot be had closes the site; it is asked for again sooner than one that could.
_KEEP_UNREACHABLE = timedelta(hours=1)
_MAX_CHARS = 500 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """How a robots.txt answered. ``status`` None: it could not be asked."""

    status: int | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether a page may be read, and how long to pause before the next one of its host.

    ``why`` says why not; ``may_change`` when that is only because nobody knows.
    """

    is_allowed: bool
    delay_s: float = 0.0
    why: str = ""
    may_change: bool = False


class Robots:
    """Asks each site once in 24 hours. ``ask`` fetches a robots.txt and follows its redirects."""

    def __init__(self, hosts: Hosts, ask: Callable[[str], Awaitable[Answer]], *, clock: Callable[[], datetime]) -> None:
        self._hosts = hosts
        self._ask = ask
        self._clock = clock
        self._read: dict[str, tuple[str, Protego]] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def permission(self, url: str) -> Permission:
        """Whether ``url`` may be read."""
        async with self._asking[host_key(url)]:  # several pages of a new host: it is asked once
            record = await self._current(url)
        if record.robots_status is None:
            return Permission(False, why="its robots.txt cannot be read", may_change=True)
        if record.robots_status >= 500 or record.robots_status == 429:
            return Permission(False, why=f"its robots.txt answered {record.robots_status}", may_change=True)
        rules = self._rules(record)
        if not rules.can_fetch(url, PRODUCT):
            return Permission(False, why="its robots.txt does not allow it")
        delay = float(rules.crawl_delay(PRODUCT) or 0.0)
        return Permission(True, delay_s=min(delay, MAX_CRAWL_DELAY_S) if delay > 0 else 0.0)  # not a number: none

    async def _current(self, url: str) -> HostRecord:
        name, now = host_key(url), self._clock()
        record = await self._hosts.get(name)
        if record.robots_until is not None and record.robots_until > now:
            return record
        parts = urlsplit(url)
        try:
            answer = await self._ask(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/robots.txt")
        except SourceUnreachable:
            answer = Answer(None)
        is_had = answer.status is not None and answer.status < 500 and answer.status != 429
        record = replace(
            await self._hosts.get(name),
            robots=answer.text.replace("\x00", "")[:_MAX_CHARS] if is_had else None,
            robots_status=answer.status,
            robots_until=now + (_KEEP if is_had else _KEEP_UNREACHABLE),
        )
        await self._hosts.put(record)
        return record

    def _rules(self, record: HostRecord) -> Protego:
        text = record.robots or ""
        known = self._read.get(record.name)
        if known is None or known[0] != text:
            known = self._read[record.name] = (text, parse(text))
        return known[1]


def parse(text: str) -> Protego:
    """The rules of a robots.txt; a byte order mark before them is no rule."""
    return Protego.parse(text.lstrip("\ufeff"))
