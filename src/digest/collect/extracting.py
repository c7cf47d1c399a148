"""Reading article pages in processes of their own, with limits that hold whatever the page is.

A page that takes too long or too much memory is read once more, in a fresh process, by the fast reader; one on which
that fails too cannot be read. Called by collecting for full texts and by `digest article extract`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from digest import feeds
from digest.collect.check import locate
from digest.collect.fetch import Fetcher
from digest.collect.local import read_files
from digest.collect.sandbox import JobFailed, JobRefused, Sandbox, Trouble
from digest.collect.sandboxed import article_of
from digest.config.settings import Settings
from digest.feeds import webpage
from digest.feeds.detect import Document, sniff
from digest.feeds.localfile import SUFFIXES
from digest.model.article import Barrier, ParsedArticle, SourceKind
from digest.model.errors import BadInput, DigestError, FeedMalformed
from digest.text import charset, html, language
from digest.text import url as urls

#: Seconds for a page: trafilatura takes 0.04 on average, 0.08 on the slowest twentieth (collection.md §2.2).
LIMIT_S = 3.0
#: No article is larger; what is, is data or an attack, and its beginning is as good as the whole.
_MAX_BYTES = 8_000_000
_SNIFFED_BYTES = 50_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Extracted:
    """An article read from one address or file. ``site`` is where it says it is from, or ``""``."""

    article: ParsedArticle
    site: str


async def extract_from(address: str, *, settings: Settings, base: str | None = None) -> Extracted:
    """The article at a web address or in a file (a page, or text and Markdown by its ending); keeps nothing.

    ``base`` is the address a saved page came from. Raises BadInput, SourceUnreachable and FeedMalformed.
    """
    kind, location = locate(address)
    if kind is SourceKind.FOLDER:
        raise BadInput(f"{address} is a folder", hint=f"see its articles with `digest source check {address}`")
    content_type = ""
    if kind is None:
        async with Fetcher(settings.collect, base_url=settings.site.base_url) as fetcher:
            fetched = await fetcher.get(location)
        raw, url, content_type = fetched.body or b"", fetched.url, fetched.content_type
    else:
        path = Path(location)
        ((_name, raw),) = await asyncio.to_thread(read_files, path, max_bytes=settings.collect.max_bytes)
        if path.suffix.lower() in SUFFIXES and SUFFIXES[path.suffix.lower()] is not webpage.parse:
            feed = feeds.parse_file(raw, name=location)
            article = feed.entries[0]
            said = article.language or feed.language
            return Extracted(
                replace(article, language=language.of(html.to_text(article.content_html), declared=said)), feed.title
            )
        url = base or ""
    if sniff(charset.decode(raw[:_SNIFFED_BYTES], content_type=content_type).text).document in {
        Document.FEED,
        Document.JSON,
    }:
        raise BadInput(f"{address} is a feed, not an article", hint=f"see it with `digest source check {address}`")
    async with Extractor(workers=1) as extractor:
        article = await extractor.extract(raw, url=url, content_type=content_type)
    if not article.title or not article.content_html:
        wall = {Barrier.PAYWALL: "it is for subscribers", Barrier.CONSENT: "it asks for consent or a login first"}
        reason = wall[article.barrier] if article.barrier else "it has no headline or no text"
        raise FeedMalformed(f"no article found at {address}: {reason}", hint="open it in a browser without a login")
    return Extracted(article, urls.host(article.url))


class Extractor:
    """Reads pages side by side. Enter it with ``async with``; nothing is started before the first page.

    ``sandbox``: a pool to share; without one it has its own, with ``workers`` processes at most.
    """

    def __init__(self, *, sandbox: Sandbox | None = None, workers: int | None = None, limit_s: float = LIMIT_S) -> None:
        self._sandbox = sandbox or Sandbox(jobs=("article",), workers=workers)
        self._is_own = sandbox is None
        self._limit_s = limit_s
        self.fallbacks = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_own:
            await self._sandbox.__aexit__(kind, error, trace)

    async def extract(self, raw: bytes, *, url: str, content_type: str = "") -> ParsedArticle:
        """The article of the page in ``raw``, fetched from ``url``; its text may be empty, and a barrier said.

        Raises FeedMalformed for a page that cannot be read, and DigestError when no process can be started.
        """
        raw = raw[:_MAX_BYTES]
        try:
            return await self._ask(raw, url=url, content_type=content_type, quick=False)
        except JobFailed as failure:
            log.info("page.fallback", host=urls.host(url), reason=str(failure))
            self.fallbacks += 1
        try:
            return await self._ask(raw, url=url, content_type=content_type, quick=True)
        except JobFailed as failure:
            raise FeedMalformed(
                f"the page of {urls.host(url) or url or 'this file'} cannot be read ({failure})",
                hint="its article is known by what the feed says of it",
            ) from failure

    async def _ask(self, raw: bytes, *, url: str, content_type: str, quick: bool) -> ParsedArticle:
        options = {"url": url, "content_type": content_type, "quick": quick}
        try:
            document, _ = await self._sandbox.run("article", options, raw, limit_s=self._limit_s)
        except JobRefused as refused:
            raise FeedMalformed(refused.message, hint=refused.hint) from refused
        except JobFailed as failure:
            if failure.trouble is Trouble.START:
                raise DigestError(
                    f"no process can be started to read pages ({failure})",
                    hint="see with `digest doctor` whether the installation is whole and the machine has memory left",
                ) from failure
            raise
        return article_of(document)
