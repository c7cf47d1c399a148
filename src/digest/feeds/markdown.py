"""Markdown with YAML front matter (title, date, author, tags, url, description, language), as blog tools write it.

Without a title in the front matter the first heading is the headline. A front matter that is not YAML is an
error with its line, not a guess.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

import yaml
from markdown_it import MarkdownIt

from digest.model.article import ParsedArticle, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import dates
from digest.text import url as urls

_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\n(.*?)\n?---[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"\A\s*(?:#\s+(.+?)\s*#*[ \t]*\n|([^\n]+)\n=+[ \t]*(?:\n|\Z))")
_MAX_FRONT_MATTER_CHARS = 64_000


def parse(text: str, name: str) -> ParsedFeed:
    """The article in a Markdown file. Raises FeedMalformed for broken front matter."""
    matter, body = _split(text, name)
    title = _line(matter.get("title"))
    heading = _HEADING.match(body)
    if heading:
        found = " ".join((heading.group(1) or heading.group(2)).split())
        if not title or title.casefold() == found.casefold():
            title, body = found, body[heading.end() :]
    language = _line(matter.get("language") or matter.get("lang")) or None
    published = _date(matter.get("date") or matter.get("published"), language)
    # Raw HTML in Markdown passes through here: it is sanitised with everything else at storage.
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    article = ParsedArticle(
        guid=name,
        url=urls.absolute("", _line(matter.get("url") or matter.get("link") or matter.get("canonical_url"))),
        title=title,
        summary=_line(matter.get("description") or matter.get("summary") or matter.get("excerpt")),
        content_html=html.strip(),
        author=_author(matter.get("author") or matter.get("authors")),
        published_at=published.at if published else None,
        published_is_day=bool(published and published.is_day),
        image_url=urls.absolute("", _line(matter.get("image"))) or None,
        language=language,
        labels=_labels(matter.get("tags") or matter.get("categories") or matter.get("topics")),
    )
    return ParsedFeed("article", "", None, language, (article,))


def _split(text: str, name: str) -> tuple[dict[str, Any], str]:
    match = _FRONT_MATTER.match(text)
    if not match or match.end(1) > _MAX_FRONT_MATTER_CHARS:
        return {}, text
    try:
        loaded = yaml.safe_load(match.group(1))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 2}" if mark else ""
        raise FeedMalformed(
            f"{PurePath(name).name}:{where} the front matter is not YAML", hint='put values with a colon in "quotes"'
        ) from error
    except ValueError as error:  # a date such as 2025-02-31
        raise FeedMalformed(f"{PurePath(name).name}: {error} in the front matter", hint="correct the date") from error
    matter = loaded if isinstance(loaded, dict) else {}
    return {str(key).lower(): value for key, value in matter.items()}, text[match.end() :]


def _line(value: object) -> str:
    return " ".join(str(value).split()) if isinstance(value, (str, int, float)) else ""


def _date(value: object, language: str | None) -> dates.ParsedDate | None:
    if isinstance(value, datetime):
        return dates.from_datetime(value)
    if isinstance(value, date):
        return dates.from_day(value)
    return dates.parse(_line(value), language=language)


def _author(value: object) -> str | None:
    names = value if isinstance(value, list) else [value]
    found = [_line(one.get("name") if isinstance(one, dict) else one) for one in names]
    return ", ".join(name for name in found if name) or None


def _labels(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else _line(value).split(",")
    return tuple(dict.fromkeys(label for part in parts if (label := _line(part))))
