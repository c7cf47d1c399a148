"""The entrance: bytes to a `ParsedFeed`, by the adapter that fits.

Everything that comes out of here is either a `ParsedFeed` or a `FeedMalformed` that says what to do. `parse` is for
sources: feeds and sitemaps, and listing pages where the source is one; a page where a feed should be is an error,
or an error page would become articles. `examine` is for people who want to know what an address gives.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import PurePath

from digest.feeds import detect, discovery, jsonfeed, listing, localfile, opml, page, repair, sitemap, xmlfeed
from digest.feeds.detect import Document, Sniffed
from digest.model.article import Oddity, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import url as urls

_FUTURE = timedelta(hours=24)
_PROSE = frozenset({Document.OTHER, Document.JSON, Document.EMPTY})  # a Markdown file may start with a bracket
_KINDS = {"feed": "atom", "rdf": "rdf"}


def parse(
    raw: bytes,
    *,
    url: str = "",
    content_type: str = "",
    fetched_at: datetime,
    is_page: bool = False,
    languages: Collection[str] = (),
) -> ParsedFeed:
    """The feed or sitemap in ``raw``, which came from ``url`` at ``fetched_at``. Raises FeedMalformed with a hint.

    ``is_page``: the source is a listing page. ``languages`` (BCP 47) leaves out entries that say they are in another
    one. What a news sitemap lists of shopping is left out, too; both are told in the warnings.
    """
    url = urls.absolute("", url)
    text, odd = repair.decode(raw, content_type=content_type)
    sniffed = detect.sniff(text)
    feed = _machine_readable(sniffed, text, url=url, odd=odd)
    if feed is None and is_page and sniffed.document is Document.WEB_PAGE:
        feed = listing.parse(text, url=url, odd=odd)
    if feed is None:
        raise _not_a_feed(sniffed.document, text, url=url)
    return _future_told(_news_only(feed, languages), fetched_at)


def examine(
    raw: bytes,
    *,
    url: str = "",
    content_type: str = "",
    fetched_at: datetime,
    name: str = "",
    as_article: bool = False,
) -> ParsedFeed:
    """What ``raw`` is, of any kind: also OPML, listing pages and articles. Raises FeedMalformed with a hint.

    ``name`` is that of a local file: text and Markdown are known by its ending only. ``as_article``: a web page is
    read as one article, whatever else it lists.
    """
    url = urls.absolute("", url)
    text, odd = repair.decode(raw, content_type=content_type)
    sniffed = detect.sniff(text)
    if PurePath(name).suffix.lower() in localfile.SUFFIXES and sniffed.document in _PROSE:
        return localfile.parse(raw, name=name)
    feed = _machine_readable(sniffed, text, url=url, odd=odd)
    if feed is None and sniffed.document is Document.OPML:
        feed = opml.as_feed(text, odd=odd)
    elif feed is None and sniffed.document is Document.WEB_PAGE:
        feed = page.read(text, url=url, name=name, odd=odd, as_article=as_article)
    if feed is None:
        raise _not_a_feed(sniffed.document, text, url=url)
    return _future_told(feed, fetched_at)


def parse_file(raw: bytes, *, name: str) -> ParsedFeed:
    """The one article of a local text, Markdown or HTML file. ``name`` chooses the format and becomes its guid."""
    return localfile.parse(raw, name=name)


def _machine_readable(sniffed: Sniffed, text: str, *, url: str, odd: tuple[Oddity, ...]) -> ParsedFeed | None:
    """A feed or sitemap; None for other documents."""
    if sniffed.document is Document.JSON:
        return jsonfeed.parse(text, url=url, odd=odd)
    if sniffed.document is Document.ADDRESSES:
        return sitemap.parse_addresses(text, url=url, odd=odd)
    if sniffed.root is None or sniffed.document not in {Document.FEED, Document.SITEMAP}:
        return None
    whole, more = repair.isolate(text, sniffed.root)
    if sniffed.document is Document.SITEMAP:
        return sitemap.parse(whole, url=url, odd=odd + more)
    return xmlfeed.parse(whole, kind=_KINDS.get(sniffed.local, "rss"), url=url, odd=odd + more)


def _news_only(feed: ParsedFeed, languages: Collection[str]) -> ParsedFeed:
    wanted = {_primary(one) for one in languages}
    kept = [entry for entry in feed.entries if "shopping" not in entry.marks]
    spoken = [entry for entry in kept if not wanted or not entry.language or _primary(entry.language) in wanted]
    if len(spoken) == len(feed.entries):
        return feed
    odd = list(feed.warnings)
    if foreign := len(kept) - len(spoken):
        odd.append(Oddity("other-language", f"{foreign} entries in another language were left out"))
    return replace(feed, entries=tuple(spoken), warnings=tuple(odd))


def _primary(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]


def _future_told(feed: ParsedFeed, fetched_at: datetime) -> ParsedFeed:
    ahead = sum(1 for entry in feed.entries if entry.published_at and entry.published_at > fetched_at + _FUTURE)
    if not ahead:
        return feed
    odd = Oddity("future-date", f"{ahead} entries are dated more than a day ahead")
    return replace(feed, warnings=(*feed.warnings, odd))


def _not_a_feed(document: Document, text: str, *, url: str) -> FeedMalformed:
    if document is Document.EMPTY:
        return FeedMalformed("the document is empty", hint="open the address in a browser and check what it gives")
    if document is Document.OPML:
        return FeedMalformed(
            "this is a list of feeds (OPML), not a feed", hint="add its feeds with `digest source import FILE.opml`"
        )
    if document is Document.WEB_PAGE:
        named = discovery.named(text, url)
        if named:
            return FeedMalformed(
                "this is a web page, not a feed", hint=f"the page names these feeds: {', '.join(named)}"
            )
        return FeedMalformed(
            "this is a web page, not a feed, and it names no feed",
            hint="look for an RSS link on the site and use its address",
        )
    return FeedMalformed("this is not a feed", hint="check that the address is that of an RSS, Atom or JSON feed")
