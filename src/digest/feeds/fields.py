"""An entry while it is being read: what every adapter fills in, and what becomes of it.

The adapters (`elements` for XML, `jsonfeed`, `sitemap`, `listing`) know their formats; here is what they share:
people's names, pictures, and the finish from a draft to a `ParsedArticle`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from digest.model.article import Enclosure, ParsedArticle
from digest.text import charset, dates, html
from digest.text import url as urls

MAX_ENTRIES = 2000

_EMAIL_AND_NAME = re.compile(r"^\S{1,100}@\S{1,100} ?\((.{1,200})\)$")
_NAME_AND_EMAIL = re.compile(r"^(.{1,200}?) ?[<(] ?\S{1,100}@\S{1,100}? ?[>)]$")
_NOBODY = re.compile(r"^(?:by:?|none|null|n/a|unknown|author|admin|\S+@\S+|https?://\S+)$", re.IGNORECASE)
_IMAGE_NAME = re.compile(r"\.(?:jpe?g|png|webp|gif|avif)(?:[?#]|$)", re.IGNORECASE)
_MAX_LABELS = 30
_MAX_LABEL_CHARS = 80
_MAX_TITLE_CHARS = 20_000
_HASHED_CHARS = 100_000


@dataclass(slots=True)
class Draft:
    """An entry while it is being read.

    ``base`` is the address that relative links of this entry start at, ``""`` for the feed's own. ``title``,
    ``summary`` and ``content_html`` are HTML.
    """

    guid: str = ""
    link: str = ""
    base: str = ""
    title: str = ""
    summary: str = ""
    content_html: str = ""
    author: str = ""
    published: dates.ParsedDate | None = None
    updated: dates.ParsedDate | None = None
    image_url: str = ""
    image_alt: str = ""
    language: str = ""
    labels: tuple[str, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()

    def finish(self, *, base: str, language: str | None, position: int) -> ParsedArticle:
        """The entry with absolute links, mended text, and an id of its own."""
        base = self.base or base
        link = urls.absolute(base, self.link)
        title = line(self.title[:_MAX_TITLE_CHARS])
        published = self.published or self.updated
        return ParsedArticle(
            guid=self.guid or link or _made_guid(title, self.summary or self.content_html),
            url=link,
            title=title,
            summary=charset.readable(self.summary),
            content_html=charset.readable(self.content_html or self.summary),
            author=person(self.author),
            published_at=published.at if published else None,
            published_is_day=bool(published and published.is_day),
            published_has_zone=published is None or published.has_zone,
            updated_at=self.updated.at if self.updated else None,
            image_url=urls.absolute(base, self.image_url) or None,
            image_alt=line(self.image_alt),
            language=self.language or language,
            labels=self.labels,
            enclosures=tuple(
                Enclosure(url, one.media_type, one.length)
                for one in self.enclosures
                if (url := urls.absolute(base, one.url))
            ),
            position=position,
        )


def newest(drafts: list[Draft], *, limit: int = MAX_ENTRIES) -> list[Draft]:
    """The ``limit`` newest entries in the order of the document (F8); those without a date count as oldest."""
    if len(drafts) <= limit:
        return drafts

    def age(at: int) -> tuple[float, int]:
        found = drafts[at].published or drafts[at].updated
        return (-found.at.timestamp() if found else float("inf"), at)

    return [drafts[at] for at in sorted(sorted(range(len(drafts)), key=age)[:limit])]


def line(markup: str) -> str:
    """HTML or plain text as one line, double-encoded characters put right.

    Before the white space is collapsed: a no-break space is half of many a double-encoded letter.
    """
    return html.to_line(charset.readable(markup))


def person(name: str) -> str | None:
    """A by-line without addresses; None when it names nobody."""
    name = line(name[:1000])
    if match := _EMAIL_AND_NAME.match(name) or _NAME_AND_EMAIL.match(name):
        name = match.group(1).strip()
    return None if not name or _NOBODY.match(name) else name


def people(names: list[str]) -> str:
    """Several names as one by-line."""
    return ", ".join(name for name in dict.fromkeys(names) if name)


def labels(texts: list[str]) -> tuple[str, ...]:
    """Topic labels, each once, in the order given."""
    found: dict[str, None] = {}
    for text in texts:
        label = line(text[:1000])
        if 0 < len(label) <= _MAX_LABEL_CHARS:
            found[label] = None
    return tuple(found)[:_MAX_LABELS]


def enclosure(url: str, media_type: str, length: object) -> Enclosure | None:
    """An attached file; ``length`` in bytes is believed when it is a number."""
    size = str(length or "").strip()
    number = int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None
    return Enclosure(url.strip(), media_type.strip().lower(), number) if url.strip() else None


def is_image(url: str, media_type: str) -> bool:
    """Whether an attachment is a picture, by its type or else by its name."""
    if media_type:
        return media_type.startswith("image/") or media_type in {"image", "jpg", "jpeg", "png"}
    return bool(_IMAGE_NAME.search(url))


def _made_guid(title: str, text: str) -> str:
    return hashlib.sha256(f"{title}\n{text[:_HASHED_CHARS]}".encode("utf-8", "replace")).hexdigest()
