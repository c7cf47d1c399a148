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
    FILE = "file"
    FOLDER = "folder"

    @property
    def is_local(self) -> bool:
        """Whether it is read from this machine's disk."""
        return self in {SourceKind.FILE, SourceKind.FOLDER}


class DateProblem(StrEnum):
    """Why a publisher's date was not believed (F18)."""

    FUTURE = "future"
    ANCIENT = "ancient"


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
    noon UTC of that day and ``published_is_day`` is true. ``position`` is the place in the feed, 0 first.
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


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something odd in a document that did not stop us: ``code`` for scripts, ``message`` for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """A parsed document: its entries in document order and what was odd about it.

    ``kind`` is the wire word (``rss atom rdf article``); ``ttl_s`` is the feed's own refresh wish, in seconds.
    """

    kind: str
    title: str
    home_url: str | None
    language: str | None
    entries: tuple[ParsedArticle, ...]
    warnings: tuple[Oddity, ...] = ()
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where articles come from. ``url`` is an absolute http(s) address or an absolute path for local kinds."""

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
