"""Parsed entries to ledger articles: cleaned, sanitised, identified, stored once.

Second half of collecting. Reads a `ParsedFeed`; writes article and sighting rows through the store; never
fetches. Identity (collection.md F16): the canonical address without its scheme, so that a site moving to https
brings no old news; title and address where one feed gives several entries one address; the path of a local file.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape

from digest.model.article import NewArticle, ParsedArticle, ParsedFeed
from digest.store import articles
from digest.store.articles import Recorded
from digest.store.engine import Tx
from digest.text import html, words
from digest.text import url as urls
from digest.text.sanitise import clean_line, clean_text, sanitise

_MAX_TITLE_CHARS = 500
_MAX_SUMMARY_CHARS = 5_000
_MAX_HTML_CHARS = 500_000
_TITLE_FROM_TEXT_CHARS = 80
_MAX_AHEAD = timedelta(hours=24)
_IMAGE = re.compile(r'<img[^>]*?\ssrc="(https?://[^"]+)"')


@dataclass(frozen=True, slots=True)
class Counts:
    """What storing a feed's entries did."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0


def prepare(feed: ParsedFeed, *, base: str, now: datetime) -> list[NewArticle]:
    """The entries of a feed as articles for the ledger; entries without title and text are left out.

    ``base`` is the address the feed was read at (``""`` for local files): relative links start there.
    """
    entries = [entry for entry in feed.entries if entry.title.strip() or entry.content_html.strip()]
    links = Counter(urls.canonical(entry.url) for entry in entries)
    guids = Counter(entry.guid for entry in entries)
    home = feed.home_url or base
    return [_article(entry, base=entry.url or home, shares_link=links, shares_guid=guids, now=now) for entry in entries]


def store(tx: Tx, source_id: int, prepared: list[NewArticle], *, now: datetime) -> Counts:
    """Record prepared articles as seen in a source. Repeating it changes nothing."""
    done = Counter(articles.record(tx, source_id, one, now=now) for one in prepared)
    return Counts(new=done[Recorded.NEW], updated=done[Recorded.UPDATED], unchanged=done[Recorded.UNCHANGED])


def _article(
    entry: ParsedArticle, *, base: str, shares_link: Counter[str], shares_guid: Counter[str], now: datetime
) -> NewArticle:
    content = sanitise(entry.content_html[:_MAX_HTML_CHARS], base=base)
    text = clean_text(html.to_text(content))
    title = clean_line(entry.title)[:_MAX_TITLE_CHARS] or _opening(text)
    canonical = urls.canonical(entry.url) if entry.url else entry.guid
    is_shared = bool(entry.url) and shares_link[canonical] > 1
    published = entry.published_at if entry.published_at and entry.published_at <= now + _MAX_AHEAD else None
    image = entry.image_url or (unescape(found.group(1)) if (found := _IMAGE.search(content)) else None)
    return NewArticle(
        identity=_identity(canonical, title=title if is_shared else ""),
        guid_hash=_guid_hash(entry, canonical, title=title, is_repeated=shares_guid[entry.guid] > 1),
        url=urls.untracked(clean_line(entry.url)),  # no tracking in our mails
        canonical_url=canonical,
        title=title,
        summary=clean_line(html.to_line(entry.summary))[:_MAX_SUMMARY_CHARS],
        content_html=content,
        text=text,
        author=clean_line(entry.author or "")[:200] or None,
        published_at=published,
        published_is_day=published is not None and entry.published_is_day,
        image_url=urls.absolute("", clean_line(image or "")) or None,
        image_alt=clean_line(entry.image_alt)[:500],
        language=clean_line(entry.language or "")[:35] or None,
        labels=tuple(dict.fromkeys(label for one in entry.labels if (label := clean_line(one)[:80]))),
        position=entry.position,
        content_hash=_sha256(title, text),
        word_count=words.count(text),
    )


def _identity(canonical: str, *, title: str) -> str:
    scheme, separator, rest = canonical.partition("://")
    address = rest if separator and scheme in {"http", "https"} else canonical
    return _sha256(address, title.casefold()) if title else _sha256(address)


def _guid_hash(entry: ParsedArticle, canonical: str, *, title: str, is_repeated: bool) -> str:
    """The feed's own id, hashed; where a feed repeats ids, they are told apart by link and title."""
    return _sha256(entry.guid, canonical, title) if is_repeated else _sha256(entry.guid)


def _opening(text: str) -> str:
    """A title for an entry that has none: its first words (micro-posts)."""
    line = " ".join(text.split())
    if len(line) <= _TITLE_FROM_TEXT_CHARS:
        return line or "Untitled"
    return line[:_TITLE_FROM_TEXT_CHARS].rsplit(" ", 1)[0].rstrip(" ,;:–—-") + "…"


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()
