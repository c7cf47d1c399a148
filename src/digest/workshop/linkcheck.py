"""Whether links lead somewhere: asked for, never by itself.

Rules: at most 100 addresses, two at a time from one host, eight in all; HEAD, and GET where a server does not know it.
The guard of collecting refuses private addresses, on every hop. Links that do something (unsubscribe, confirm,
preferences, undo) are never followed: whoever asks for them acts for the reader. What is checked is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp

from digest import __version__
from digest.collect.guard import AddressRefused, Guard
from digest.workshop.findings import Finding, Group, Severity, gather
from digest.workshop.mail import HARMLESS_TOKEN, Mail
from digest.workshop.page import Page, Place

_MOST = 100
_PER_HOST = 2
_AT_ONCE = 8
_HOPS = 5
_TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)
_GONE = frozenset({404, 410})
_KNOWS_NO_HEAD = frozenset({403, 405, 501})


@dataclass(frozen=True, slots=True)
class Link:
    """An address in a mail, and the first place it stands at."""

    url: str
    place: Place


def links_of(mail: Mail) -> tuple[Link, ...]:
    """The addresses worth asking for, each once, in order; none that does something, and 100 at most."""
    page = Page(mail)
    found: dict[str, Link] = {}
    for element in page.elements:
        url = (
            element.get("href") if element.tag == "a" else element.get("src") if element.tag == "img" else None
        ) or ""
        if url.lower().startswith(("http://", "https://")) and HARMLESS_TOKEN not in url:
            found.setdefault(url.partition("#")[0], Link(url.partition("#")[0], page.place(element)))
    return tuple(found.values())[:_MOST]


async def link_findings(mail: Mail, *, guard: Guard | None = None) -> tuple[Finding, ...]:
    """What is wrong with the links of a mail; empty when all lead somewhere. Raises nothing."""
    links = links_of(mail)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            socket_factory=(guard or Guard()).socket, limit=_AT_ONCE, limit_per_host=_PER_HOST, force_close=True
        ),
        headers={"User-Agent": f"digest-link-check/{__version__}"},
        timeout=_TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # a proxy would connect for us, behind the guard's back
    ) as session:
        asked = await asyncio.gather(*(_ask(session, link) for link in links))
    return gather(_named(asked))


def _named(asked: Iterable[Finding | None]) -> Iterable[Finding]:
    return (found for found in asked if found is not None)


async def _ask(session: aiohttp.ClientSession, link: Link) -> Finding | None:
    try:
        status = await _status(session, "HEAD", link.url)
        if status in _KNOWS_NO_HEAD or status >= 500:
            status = await _status(session, "GET", link.url)
    except AddressRefused as error:
        return _finding(link, Severity.BREAKS, f"{link.url[:80]} is not followed: {error}")
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
        inner = error.__cause__ if isinstance(error.__cause__, AddressRefused) else error
        if isinstance(inner, AddressRefused):
            return _finding(link, Severity.BREAKS, f"{link.url[:80]} is not followed: {inner}")
        return _finding(link, Severity.DEGRADES, f"{link.url[:80]} does not answer: {str(error) or 'too slow'}")
    if status in _GONE:
        return _finding(link, Severity.BREAKS, f"{link.url[:80]} leads to a page that is gone (HTTP {status})")
    if status >= 400 and status not in {401, 403, 429}:
        return _finding(link, Severity.DEGRADES, f"{link.url[:80]} answers with an error (HTTP {status})")
    return None


async def _status(session: aiohttp.ClientSession, method: str, url: str) -> int:
    """The status in the end. Redirects are followed here, so that the guard sees each hop."""
    for _ in range(_HOPS):
        async with session.request(method, url, allow_redirects=False) as answer:
            leads = answer.headers.get("Location")
            if not (300 <= answer.status < 400 and leads):
                return answer.status
            url = urljoin(url, leads)
            if urlsplit(url).scheme not in {"http", "https"}:
                return answer.status
    raise ValueError("it redirects without end")


def _finding(link: Link, severity: Severity, says: str) -> Finding:
    template, line = link.place
    return Finding(
        "link-dead",
        severity,
        Group.LINKS,
        says,
        hint="Correct the address, or leave the link out.",
        template=template,
        line=line,
    )
