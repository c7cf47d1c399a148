"""Parsed entries to ledger articles: cleaned, sanitised, identified, stored once.

Second half of collecting. Reads a `ParsedFeed`; writes article and sighting rows through the store; never
fetches. Everything an entry may be known by is worked out here (collection.md F16); `store.identity` looks it up.
Its address counts without its scheme, so that a site moving to https brings no old news; with its title where one
feed gives several entries one address; a local file's is its path.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlsplit

from digest.model.article import DateProblem, NewArticle, ParsedArticle, ParsedFeed
from digest.store import articles
from digest.store.articles import Recorded
from digest.store.engine import Tx
from digest.store.identity import address_hash
from digest.text import html, language, words
from digest.text import url as urls
from digest.text.sanitise import clean_line, clean_text, sanitise

_MAX_TITLE_CHARS = 500
_MAX_SUMMARY_CHARS = 5_000
_MAX_HTML_CHARS = 500_000
_TITLE_FROM_TEXT_CHARS = 80
_MAX_AHEAD = timedelta(hours=24)
#: The web has no news from before 1990; such dates are clocks that were never set.
_FIRST_NEWS = datetime(1990, 1, 1, tzinfo=UTC)
#: More repeated or missing ids than this share of a feed, and none of them is believed (as FreshRSS does).
_MAX_BAD_IDS = 0.05
#: Shorter titles ("Opinion", "Live") come back every day; shorter texts are often the same sentence.
_MIN_TITLE_WORDS, _MIN_TEXT_CHARS = 3, 300
_IMAGE = re.compile(r'<img[^>]*?\ssrc="(https?://[^"]+)"')


@dataclass(frozen=True, slots=True)
class Counts:
    """What storing a feed's entries did. ``reruns``: old articles that their source shows for the first time."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    reruns: int = 0


def prepare(feed: ParsedFeed, *, base: str, now: datetime) -> list[NewArticle]:
    """The entries of a feed as articles for the ledger; entries without title and text are left out.

    ``base`` is the address the feed was read at (``""`` for local files): relative links start there.
    """
    entries = [entry for entry in feed.entries if entry.title.strip() or entry.content_html.strip()]
    document = _Document(
        home=feed.home_url or base,
        links=Counter(urls.canonical(entry.url) for entry in entries),
        guids=Counter(entry.guid for entry in entries),
        now=now,
    )
    return [_article(entry, document) for entry in entries]


def store(tx: Tx, source_id: int, prepared: list[NewArticle], *, now: datetime) -> Counts:
    """Record prepared articles as seen in a source. Repeating it changes nothing."""
    done = Counter(articles.record(tx, source_id, prepared, now=now))
    return Counts(
        new=done[Recorded.NEW],
        updated=done[Recorded.UPDATED],
        unchanged=done[Recorded.UNCHANGED],
        reruns=done[Recorded.RERUN],
    )


@dataclass(frozen=True, slots=True)
class _Document:
    """What an entry shares with its neighbours."""

    home: str
    links: Counter[str]
    guids: Counter[str]
    now: datetime

    @property
    def trusts_guids(self) -> bool:
        """Whether the feed gives its entries ids of their own."""
        repeated = sum(count for count in self.guids.values() if count > 1)
        return repeated <= _MAX_BAD_IDS * self.guids.total()


def _article(entry: ParsedArticle, document: _Document) -> NewArticle:
    content = sanitise(entry.content_html[:_MAX_HTML_CHARS], base=entry.url or document.home)
    text = clean_text(html.to_text(content))
    title = clean_line(entry.title)[:_MAX_TITLE_CHARS] or _opening(text)
    canonical = urls.canonical(entry.url) if entry.url else entry.guid
    is_shared = bool(entry.url) and document.links[canonical] > 1
    summary = clean_line(html.to_line(entry.summary))[:_MAX_SUMMARY_CHARS]
    published, problem = _believed(entry.published_at, now=document.now)
    image = entry.image_url or (unescape(found.group(1)) if (found := _IMAGE.search(content)) else None)
    is_repeated = document.guids[entry.guid] > 1
    return NewArticle(
        identity=_sha256(address_hash(canonical), title.casefold()) if is_shared else address_hash(canonical),
        addresses=() if is_shared else tuple(_further(entry, canonical)),
        guid_hash=_guid_hash(entry, canonical, title=title, is_repeated=is_repeated),
        is_guid_trusted=document.trusts_guids,
        path_hash=_path_hash(entry.guid) if document.trusts_guids else None,
        title_hash=_title_hash(title, entry.published_at),
        text_hash=_sha256(" ".join(text.split())) if len(text) >= _MIN_TEXT_CHARS else None,
        url=urls.untracked(clean_line(entry.url)),  # no tracking in our mails
        canonical_url=canonical,
        title=title,
        summary=summary,
        content_html=content,
        text=text,
        author=clean_line(entry.author or "")[:200] or None,
        published_at=published,
        published_is_day=published is not None and entry.published_is_day,
        claimed_at=entry.published_at if problem else None,
        date_problem=problem,
        image_url=urls.absolute("", clean_line(image or "")) or None,
        image_alt=clean_line(entry.image_alt)[:500],
        # What a feed says is often its template's language: the words decide, where there are enough of them.
        language=language.of(f"{text}\n{summary}\n{title}", declared=clean_line(entry.language or "")[:35]),
        labels=tuple(dict.fromkeys(label for one in entry.labels if (label := clean_line(one)[:80]))),
        position=entry.position,
        content_hash=_sha256(title, text),
        word_count=words.count(text),
    )


def _believed(claimed: datetime | None, *, now: datetime) -> tuple[datetime | None, DateProblem | None]:
    """The date that counts for ranking, and what is wrong with the one given (F18)."""
    if claimed is None:
        return None, None
    if claimed > now + _MAX_AHEAD:
        return None, DateProblem.FUTURE
    return (None, DateProblem.ANCIENT) if claimed < _FIRST_NEWS else (claimed, None)


def _further(entry: ParsedArticle, canonical: str) -> Iterator[str]:
    """Other addresses of the same article: an id that is one, when it leads to the same host and to no list."""
    permalink = urls.canonical(entry.guid) if urls.absolute("", entry.guid) else ""
    if permalink and permalink != canonical and len(urlsplit(permalink).path + urlsplit(permalink).query) > 1:
        yield address_hash(permalink)


def _path_hash(guid: str) -> str | None:
    """An id without scheme and host, for sites that change those; None for an id that is no address."""
    try:
        parts = urlsplit(guid.strip())
    except ValueError:
        return None
    rest = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
    return _sha256(rest) if parts.scheme in {"http", "https"} and len(rest) > 1 else None


def _title_hash(title: str, published: datetime | None) -> str | None:
    """A title with its day: the same title another day is another article ("The day in pictures")."""
    folded = " ".join(re.findall(r"\w+", title.casefold()))
    if published is None or folded.count(" ") + 1 < _MIN_TITLE_WORDS:
        return None
    return _sha256(folded, f"{published.astimezone(UTC):%Y-%m-%d}")


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
