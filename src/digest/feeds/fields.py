"""One entry of a feed library, read into our own words.

Both libraries give dictionaries with the names feedparser made common; this is the only place that knows them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from digest.model.article import Enclosure, ParsedArticle
from digest.text import charset, dates, html
from digest.text import url as urls

_EMAIL_AND_NAME = re.compile(r"^\s*\S+@\S+\s*\((.+)\)\s*$")
_NAME_AND_EMAIL = re.compile(r"^(.+?)\s*[<(]\s*\S+@\S+?\s*[>)]$")
_NOBODY = re.compile(r"^(?:by:?|none|null|n/a|unknown|\S+@\S+)$", re.IGNORECASE)
_MAX_LABELS = 30


@dataclass(slots=True)
class Draft:
    """An entry while it is being read; two drafts of one entry can fill each other's gaps."""

    guid: str = ""
    link: str = ""
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

    @property
    def is_complete(self) -> bool:
        """Whether nothing that matters is missing."""
        return bool(self.link and self.title and (self.published or self.updated))

    def fill_from(self, other: Draft) -> None:
        """Take from ``other`` what is missing here."""
        for name in ("guid", "link", "title", "summary", "content_html", "author", "published", "updated"):
            if not getattr(self, name):
                setattr(self, name, getattr(other, name))
        for name in ("image_url", "image_alt", "language", "labels", "enclosures"):
            if not getattr(self, name):
                setattr(self, name, getattr(other, name))

    def finish(self, *, base: str, language: str | None, position: int) -> ParsedArticle:
        """The entry with absolute links, mended text, and an id of its own."""
        link = urls.absolute(base, self.link) or (self.guid if urls.absolute("", self.guid) else "")
        title = charset.unmojibake(html.to_line(self.title))
        guid = (
            self.guid.strip()
            or link
            or hashlib.sha256(f"{title}\n{self.summary}".encode("utf-8", "replace")).hexdigest()
        )
        published = self.published or self.updated
        return ParsedArticle(
            guid=guid,
            url=link,
            title=title,
            summary=self.summary,
            content_html=self.content_html,
            author=_person(charset.unmojibake(self.author)),
            published_at=published.at if published else None,
            published_is_day=bool(published and published.is_day),
            updated_at=self.updated.at if self.updated else None,
            image_url=urls.absolute(base, self.image_url) or None,
            image_alt=html.to_line(self.image_alt),
            language=self.language or language,
            labels=self.labels,
            enclosures=tuple(
                Enclosure(url, one.media_type, one.length)
                for one in self.enclosures
                if (url := urls.absolute(base, one.url))
            ),
            position=position,
        )


def draft(entry: dict[str, Any], *, language: str | None, only_days: bool = False) -> Draft:
    """Read one entry. ``only_days``: midnights in it stand for days without a time."""
    summary = charset.unmojibake(_text(entry.get("summary") or entry.get("description")))
    media = _image(entry)
    return Draft(
        guid=_text(entry.get("id") or entry.get("guid")),
        link=_link(entry),
        title=charset.unmojibake(_text(entry.get("title"))),
        summary=summary,
        content_html=charset.unmojibake(_content(entry)) or summary,
        author=_author(entry),
        published=_date(entry, ("published", "created", "issued"), language=language, only_days=only_days),
        updated=_date(entry, ("updated", "modified"), language=language, only_days=only_days),
        image_url=media[0],
        image_alt=media[1],
        language=_text(entry.get("language")),
        labels=_labels(entry),
        enclosures=_enclosures(entry),
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _content(entry: dict[str, Any]) -> str:
    return max((_text(part.get("value")) for part in entry.get("content") or ()), key=len, default="")


def _link(entry: dict[str, Any]) -> str:
    """The link for readers: FeedBurner's original, else the alternate one; never Atom's self or enclosure links."""
    original = _text(entry.get("feedburner_origlink"))
    if original:
        return original
    alternates = [
        _text(link.get("href"))
        for link in entry.get("links") or ()
        if link.get("rel", "alternate") in {"alternate", None} and _text(link.get("href"))
    ]
    direct = _text(entry.get("link"))
    if direct and (direct in alternates or not alternates):
        return direct
    return alternates[0] if alternates else direct


def _author(entry: dict[str, Any]) -> str:
    names = [_text(person.get("name")) for person in entry.get("authors") or () if isinstance(person, Mapping)]
    named = [name for name in dict.fromkeys(names) if name]
    return ", ".join(named) if named else _text(entry.get("author"))


def _person(name: str) -> str | None:
    name = html.to_line(name)
    if match := _EMAIL_AND_NAME.match(name) or _NAME_AND_EMAIL.match(name):
        name = match.group(1).strip()
    return None if not name or _NOBODY.match(name) else name


def _date(
    entry: dict[str, Any], names: tuple[str, ...], *, language: str | None, only_days: bool
) -> dates.ParsedDate | None:
    for name in names:
        # dict.get: feedparser's own would answer `updated` with `published`, and warn
        if raw := _text(dict.get(entry, name)):
            found = dates.parse(raw, language=language)
            if found and only_days and (found.at.hour, found.at.minute, found.at.second) == (0, 0, 0):
                found = dates.from_day(found.at.date())
            if found:
                return found
    return None


def _image(entry: dict[str, Any]) -> tuple[str, str]:
    for part in entry.get("media_content") or ():
        kind = f"{part.get('medium') or ''} {part.get('type') or ''}"
        if "image" in kind and _text(part.get("url")):
            return _text(part.get("url")), _text(part.get("title") or part.get("description"))
    for part in entry.get("media_thumbnail") or ():
        if _text(part.get("url")):
            return _text(part.get("url")), ""
    for enclosure in _enclosures(entry):
        if enclosure.media_type.startswith("image/"):
            return enclosure.url, ""
    return "", ""


def _labels(entry: dict[str, Any]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for tag in entry.get("tags") or ():
        label = html.to_line(_text(tag.get("label")) or _text(tag.get("term")))
        if label and len(label) <= 80:
            found[label] = None
    return tuple(found)[:_MAX_LABELS]


def _enclosures(entry: dict[str, Any]) -> tuple[Enclosure, ...]:
    found = []
    for part in entry.get("enclosures") or ():
        url = _text(part.get("href") or part.get("url"))
        length = str(part.get("length") or "")
        if url:
            found.append(Enclosure(url, _text(part.get("type")), int(length) if length.isdigit() else None))
    return tuple(found)
