"""JSON Feed, versions 1 and 1.1 (jsonfeed.org/version/1.1), and what calls itself so.

Publishers leave out required members, give numbers as ids and dates in words: only a document without a list of
items is refused.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from digest.feeds import fields
from digest.feeds.fields import MAX_ENTRIES, Draft, newest
from digest.model.article import Enclosure, Oddity, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import dates
from digest.text import url as urls

_VERSION = "jsonfeed.org"
_HINT = "check that the address is that of a feed; JSON Feeds have a list of items (jsonfeed.org)"


def parse(text: str, *, url: str, odd: tuple[Oddity, ...] = ()) -> ParsedFeed:
    """The feed in ``text``, read at address ``url``. Raises FeedMalformed when it is no JSON or no feed."""
    document = _load(text)
    items = document.get("items")
    if not isinstance(items, list):
        raise FeedMalformed("this is JSON, but not a feed", hint=_HINT)
    objects = [item for item in items if isinstance(item, dict)]
    if objects and _VERSION not in _text(document.get("version")) and not any(map(_looks_like_entry, objects)):
        raise FeedMalformed("this is JSON with a list of items that are no articles", hint=_HINT)
    language = _text(document.get("language")) or None
    home = urls.absolute(url, _text(document.get("home_page_url")))
    itself = urls.absolute(url, _text(document.get("feed_url")))
    inherited = _authors(document)
    reader = dates.DateReader(language)
    drafts = [_draft(item, reader=reader, inherited=inherited) for item in objects]
    kept = newest(drafts)
    base = home or itself or url
    entries = tuple(one.finish(base=base, language=language, position=i) for i, one in enumerate(kept))
    warnings = list(odd)
    if len(objects) < len(items):
        warnings.append(Oddity("entries-lost", f"{len(items) - len(objects)} of {len(items)} items are no objects"))
    if len(kept) < len(drafts):
        warnings.append(Oddity("too-many-entries", f"only the newest {MAX_ENTRIES} of {len(drafts)} entries were kept"))
    if undated := sum(entry.published_at is None for entry in entries):
        warnings.append(Oddity("no-date", f"{undated} of {len(entries)} entries have no date"))
    return ParsedFeed(
        kind="json",
        title=fields.line(_text(document.get("title"))),
        home_url=home or None,
        language=language,
        entries=entries,
        warnings=tuple(warnings),
        hub_url=_hub(document, url) or None,
        self_url=itself or None,
    )


def _load(text: str) -> dict[str, Any]:
    try:
        loaded = json.loads(text.strip("\ufeff \t\r\n"), strict=False, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise FeedMalformed("this looks like JSON, but cannot be read as JSON", hint=_HINT) from error
    if not isinstance(loaded, dict):
        raise FeedMalformed("this is JSON, but not a feed", hint=_HINT)
    return loaded


def _looks_like_entry(item: dict[str, Any]) -> bool:
    has_text = any(_text(item.get(name)) for name in ("title", "content_html", "content_text", "summary"))
    return has_text and any(_text(item.get(name)) for name in ("id", "url", "date_published"))


def _draft(item: dict[str, Any], *, reader: dates.DateReader, inherited: str) -> Draft:
    content = _text(item.get("content_html"))
    if not content and (plain := _text(item.get("content_text"))):
        content = _paragraphs(plain)
    enclosures = tuple(_enclosures(item))
    image = _text(item.get("image")) or _text(item.get("banner_image"))
    identity = _text(item.get("id"))
    link = (
        _text(item.get("url")) or (identity if urls.absolute("", identity) else "") or _text(item.get("external_url"))
    )
    tags = item.get("tags")
    return Draft(
        guid=identity,
        link=link,
        title=escape(_text(item.get("title")), quote=False),  # the format's titles are plain text
        summary=escape(_text(item.get("summary")), quote=False),
        content_html=content,
        author=_authors(item) or inherited,
        published=reader.read(_text(item.get("date_published"))),
        updated=reader.read(_text(item.get("date_modified"))),
        image_url=image or next((one.url for one in enclosures if fields.is_image(one.url, one.media_type)), ""),
        language=_text(item.get("language")),
        labels=fields.labels([_text(tag) for tag in tags] if isinstance(tags, list) else []),
        enclosures=enclosures,
    )


def _paragraphs(plain: str) -> str:
    blocks = (" ".join(block.split()) for block in plain.replace("\r\n", "\n").split("\n\n"))
    return "".join(f"<p>{escape(block, quote=False)}</p>" for block in blocks if block)


def _authors(owner: dict[str, Any]) -> str:
    """Version 1.1 has ``authors``, version 1 had ``author``; some give bare names."""
    told = owner.get("authors")
    listed = told if isinstance(told, list) and told else [owner.get("author")]
    names = [_text(one.get("name")) if isinstance(one, dict) else _text(one) for one in listed]
    return fields.people([found for name in names if (found := fields.person(escape(name, quote=False)))])


def _enclosures(item: dict[str, Any]) -> list[Enclosure]:
    told = item.get("attachments")
    parts = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    found = (
        fields.enclosure(_text(one.get("url")), _text(one.get("mime_type")), one.get("size_in_bytes")) for one in parts
    )
    return [one for one in found if one]


def _hub(document: dict[str, Any], url: str) -> str:
    told = document.get("hubs")
    for hub in told if isinstance(told, list) else ():
        if isinstance(hub, dict) and _text(hub.get("type")).lower() in {"websub", "pubsubhubbub"}:
            return urls.absolute(url, _text(hub.get("url")))
    return ""


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
