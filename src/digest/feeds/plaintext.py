"""Plain text as people save it from web pages: a headline, perhaps a by-line and a date, then the body.

Rules, none about any one file: leading captions of images and menus are no headline; the first real line is.
By-line and date lines (often bullets) follow it; an empty by-line means no author. From the end, copyright
lines and sign-up boxes are taken off, never from the middle. A blank line ends a paragraph; a file without
blank lines and with long lines has one paragraph a line.
"""

from __future__ import annotations

import re
from html import escape

from digest.model.article import ParsedArticle, ParsedFeed
from digest.text import dates

_BULLET = re.compile(r"^\s*[•·*‣▪–—-]\s*")
_CAPTION = re.compile(
    r"^(?:[\w-]+ ){0,2}(?:image|photo|picture|thumbnail|logo|banner|avatar|icon|placeholder)(?: \d+)?$"
    r"|^(?:advertisement|skip to (?:main )?content|menu|home|share|print|e-?mail|search|log ?in|sign in|subscribe)$",
    re.IGNORECASE,
)
_BYLINE = re.compile(r"^(?:by|author|written by|von|par|por|di)\s*:\s*(.*)$", re.IGNORECASE)
_BARE_BYLINE = re.compile(r"^(?:By|BY|by)\s+((?:[^\W\d_a-z][\w.'’-]*|and|de|van|von|der|la|&|,)(?:\s+|$)){1,8}$")
_DATE_LABEL = re.compile(r"^(?:published|posted|updated|last updated|date|on)\b\s*:?\s*(?:on\s+)?", re.IGNORECASE)
_COPYRIGHT = re.compile(r"©|\(c\)\s*\d{4}|\bcopyright\b|\ball rights reserved\b", re.IGNORECASE)
_COPYRIGHT_SITE = re.compile(r"\b((?:[a-z0-9-]+\.)+[a-z]{2,24})\b", re.IGNORECASE)
_FOOTER = re.compile(
    r"^(?:privacy policy|terms (?:and conditions|of (?:use|service))|cookie policy|contact us|about us)\b",
    re.IGNORECASE,
)
_SIGN_UP = re.compile(
    r"\b(?:subscribe|sign up|newsletter|your inbox|delivered (?:daily|weekly|to)|get (?:the |our )?latest"
    r"|e-?mail address|follow us|share this|read more|related (?:articles?|stories|posts)|click here|leave a comment"
    r"|advertisement|download our app|join our)\b",
    re.IGNORECASE,
)
_MAX_JUNK_CHARS = 140
_MAX_META_CHARS = 80
_LONG_LINE = 160


def parse(text: str, name: str) -> ParsedFeed:
    """The article in plain text; no entries when there is no headline."""
    lines = text.split("\n")
    start = _skip_captions(lines)
    if start >= len(lines):
        return ParsedFeed("article", "", None, None, ())
    title = " ".join(lines[start].split()).removeprefix("# ")
    author, published, body_start = _read_meta(lines, start + 1)
    paragraphs, site = _without_trailer(_paragraphs(lines[body_start:]))
    article = ParsedArticle(
        guid=name,
        url="",
        title=title,
        content_html="".join(f"<p>{escape(paragraph, quote=False)}</p>\n" for paragraph in paragraphs),
        author=author,
        published_at=published.at if published else None,
        published_is_day=bool(published and published.is_day),
    )
    return ParsedFeed("article", site, f"https://{site}/" if site else None, None, (article,))


def byline(line: str) -> str | None:
    """The name in a by-line, ``""`` for an empty one, None for a line that is no by-line."""
    if match := _BYLINE.match(line):
        name = match.group(1).strip(" ,;|")
        return "" if dates.parse(name) else name
    if len(line) <= _MAX_META_CHARS and _BARE_BYLINE.match(line):
        return line[2:].strip(" ,")
    return None


def date_line(line: str) -> dates.ParsedDate | None:
    """The date that a whole line is, with or without "Published:" before it."""
    if len(line) > _MAX_META_CHARS or not any(character.isdigit() for character in line):
        return None
    return dates.parse(_DATE_LABEL.sub("", line).strip(" |,"))


def _skip_captions(lines: list[str]) -> int:
    for number, line in enumerate(lines):
        stripped = _BULLET.sub("", line).strip()
        if stripped and not _CAPTION.match(stripped):
            return number
    return len(lines)


def _read_meta(lines: list[str], start: int) -> tuple[str | None, dates.ParsedDate | None, int]:
    """Author, date and the number of the first body line."""
    author: str | None = None
    published: dates.ParsedDate | None = None
    number = start
    while number < len(lines):
        line = _BULLET.sub("", lines[number]).strip()
        if line and not _CAPTION.match(line):
            name, day = byline(line), date_line(line)
            if name is None and day is None:
                break
            author = author or name
            published = published or day
        number += 1
    return author or None, published, number


def _paragraphs(lines: list[str]) -> list[str]:
    filled = [line for line in lines if line.strip()]
    has_blanks = any(not line.strip() for line in lines[: len(lines) - 1])
    if filled and not has_blanks and sum(map(len, filled)) / len(filled) > _LONG_LINE:
        return [" ".join(line.split()) for line in filled]
    blocks = re.split(r"\n\s*\n", "\n".join(lines))
    return [" ".join(block.split()) for block in blocks if block.strip()]


def _without_trailer(paragraphs: list[str]) -> tuple[list[str], str]:
    """The body without what pages put below it, and the site that the copyright line names."""
    site = ""
    while len(paragraphs) > 1:
        last = paragraphs[-1]
        if len(last) > _MAX_JUNK_CHARS:
            break
        if _COPYRIGHT.search(last):
            named = _COPYRIGHT_SITE.search(last)
            site = named.group(1).lower() if named else site
        elif not (_FOOTER.match(last) or _SIGN_UP.search(last) or _CAPTION.match(last)):
            break
        paragraphs = paragraphs[:-1]
    return paragraphs, site
