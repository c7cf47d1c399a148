"""Sources and articles: what a parser sees, and what the ledger keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SourceKind(StrEnum):
    """How a source is read."""

    RSS = "rss"
    ATOM = "atom"
    RDF = "rdf"
    JSON = "json"
    SITEMAP = "sitemap"
    PAGE = "page"
    FILE = "file"
    FOLDER = "folder"
    PUSH = "push"

    @property
    def is_local(self) -> bool:
        """Whether it is read from this machine's disk."""
        return self in {SourceKind.FILE, SourceKind.FOLDER}

    @property
    def is_own(self) -> bool:
        """Whether the operator puts each article there: none of them is too old or one too many."""
        return self.is_local or self is SourceKind.PUSH


class DateProblem(StrEnum):
    """Why a publisher's date was not believed (F18)."""

    FUTURE = "future"
    ANCIENT = "ancient"


class Barrier(StrEnum):
    """What a page shows instead of its article."""

    PAYWALL = "paywall"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file attached to a feed entry (podcast, image)."""

    url: str
    media_type: str = ""
    length: int | None = None


@dataclass(frozen=True, slots=True)
class ParsedArticle:
    """One entry as its document gives it, cleaned of encoding damage but not yet sanitised.

    ``url`` is absolute or ``""`` (local files). ``published_at`` is aware; where only a day is known it is
    noon UTC of that day and ``published_is_day`` is true; where the time has no zone it is read as UTC and
    ``published_has_zone`` is false. ``position`` is the place in the feed, 0 first.
    ``marks`` are codes of what the entry rather is than news: ``shopping`` or ``stale`` (in a news sitemap).
    ``barrier`` is set for a page that hides its article; the text is then what stands before the wall.
    """

    guid: str
    url: str
    title: str
    summary: str = ""
    content_html: str = ""
    author: str | None = None
    published_at: datetime | None = None
    published_is_day: bool = False
    updated_at: datetime | None = None
    image_url: str | None = None
    image_alt: str = ""
    language: str | None = None
    labels: tuple[str, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    position: int = 0
    marks: tuple[str, ...] = ()
    published_has_zone: bool = True
    barrier: Barrier | None = None


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something odd in a document that did not stop us: ``code`` for scripts, ``message`` for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A parsed document: its entries in document order and what was odd about it.

    ``kind`` is the wire word: ``rss atom rdf json sitemap page article opml``. ``ttl_s`` is the feed's own refresh
    wish, in seconds. ``hub_url`` and ``self_url`` are what a subscription by WebSub needs (W3C WebSub §4).
    ``children`` are the sitemaps that a sitemap index lists, newest first.
    """

    kind: str
    title: str
    home_url: str | None
    language: str | None
    entries: tuple[ParsedArticle, ...]
    warnings: tuple[Oddity, ...] = ()
    ttl_s: int | None = None
    hub_url: str | None = None
    self_url: str | None = None
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """A feed in an OPML list. ``topic`` is the name of the folders it lies in, outermost first, joined by `` / ``."""

    title: str
    feed_url: str
    home_url: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """A sitemap that an index lists, with what its server told us of it. ``url`` is absolute."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where articles come from.

    ``url`` is an absolute http(s) address, an absolute path for local kinds, and ``push:`` with a name of ours where
    articles are added one by one.
    ``next_poll_at`` is when it is due; before ``not_before`` nobody asks for it at all, because its server said so.
    ``failing_since`` is the first of ``failures`` in a row; ``gone_at`` is set once its server said 410.
    ``moved_to`` is where it has been permanently redirected on the last ``moved_seen`` polls, since ``moved_since``.
    ``timezone`` is an IANA name for dates that say none. ``last_new_at`` is when it last showed something unseen, and
    ``gaps`` are its habit: (day, longest pause in seconds that ended that day), oldest first (`model.health`).
    """

    id: int
    kind: SourceKind
    url: str
    title: str
    home_url: str | None
    language: str | None
    etag: str | None
    last_modified: str | None
    body_hash: str | None
    next_poll_at: datetime
    failures: int
    last_error: str | None
    last_success_at: datetime | None
    item_count: int
    paused: bool
    not_before: datetime | None = None
    last_polled_at: datetime | None = None
    failing_since: datetime | None = None
    gone_at: datetime | None = None
    moved_to: str | None = None
    moved_since: datetime | None = None
    moved_seen: int = 0
    timezone: str | None = None
    insecure_tls: bool = False
    full_text: bool = True
    last_new_at: datetime | None = None
    gaps: tuple[tuple[str, float], ...] = ()
    children: tuple[Child, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceLink:
    """A source as one publication uses it: weight in ranking and the default topic's slug."""

    source: Source
    weight: float
    topic: str | None


@dataclass(frozen=True, slots=True)
class Editing:
    """What the editors of a publication decided about an article. ``pin`` is the place it is to have, 0 the first."""

    pin: int | None = None
    is_hidden: bool = False
    is_recalled: bool = False
    teaser: str | None = None


@dataclass(frozen=True, slots=True)
class NewArticle:
    """A cleaned, sanitised article ready for the ledger, with all it may be known by (F16), as hex SHA-256.

    ``identity`` is of the canonical address without scheme, or of title and address where a feed gives several
    entries one, or of the file path; ``addresses`` are further ones of the same kind. ``guid_hash`` is of the feed's
    own id, ``path_hash`` of that id without scheme and host, ``title_hash`` of title and day, ``text_hash`` of a text
    that is long enough to be no coincidence. ``claimed_at`` is the publisher's date where that cannot be (F18).
    """

    identity: str
    guid_hash: str
    url: str
    canonical_url: str
    title: str
    summary: str
    content_html: str
    text: str
    author: str | None
    published_at: datetime | None
    published_is_day: bool
    image_url: str | None
    image_alt: str
    language: str | None
    labels: tuple[str, ...]
    position: int
    content_hash: str
    word_count: int
    addresses: tuple[str, ...] = ()
    is_guid_trusted: bool = True
    path_hash: str | None = None
    title_hash: str | None = None
    text_hash: str | None = None
    claimed_at: datetime | None = None
    date_problem: DateProblem | None = None


@dataclass(frozen=True, slots=True)
class Article:
    """One article of the ledger. ``text`` is plain, ``content_html`` sanitised at storage.

    ``sources`` are the ids of all sources it was seen in, first seen first; ``source_id`` is the first. ``is_rerun``:
    it was old already when its source first showed it (F17).
    """

    id: int
    source_id: int
    source_title: str
    url: str
    canonical_url: str
    title: str
    summary: str
    content_html: str
    text: str
    author: str | None
    published_at: datetime | None
    published_is_day: bool
    updated_at: datetime | None
    first_seen_at: datetime
    image_url: str | None
    image_alt: str
    language: str | None
    labels: tuple[str, ...]
    position: int
    word_count: int
    is_hidden: bool = False
    sources: tuple[int, ...] = field(default=())
    claimed_at: datetime | None = None
    date_problem: DateProblem | None = None
    is_rerun: bool = False
