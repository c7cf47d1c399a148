"""Words as people read them: dates, direction, length and line breaks. Pure; used by templates and pages.

Rules: width is counted in terminal columns (Unicode Annex 11: wide and fullwidth characters take two, marks
take none), length in code points. Nothing here knows HTML.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time, get_timezone_location

from digest.text.slots import CLOSE, OPEN

ELLIPSIS = "…"
# 30: longer words than this exist in no headline we have seen, and 30 characters of body text fit in the
# 280 px that a 320 px screen leaves between the gutters.
LONGEST_TOKEN = 30
SLOT_COLUMNS = 24
_SLOT = re.compile(f"{OPEN}[a-z_]+{CLOSE}")
_ZERO_WIDTH_SPACE = "\u200b"
# Controls, soft hyphen, zero-width space, embeddings and overrides that would reorder the text after them
# (UAX #9), the byte order mark, and the marks of `text.slots`.
_INVISIBLE = re.compile(f"[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u202a-\u202e\u2066-\u2069\ufeff{OPEN}{CLOSE}]")
_NOT_AT_LINE_START = frozenset("、。，．・：；？！）］｝」』】〉》〕ー々…")  # a few kinsoku rules of JIS X 4051


@lru_cache(maxsize=256)
def _locale(tag: str) -> Locale:
    """The locale of a BCP 47 tag; the bare language when the region is unknown, else English.

    Tags of subscribers come from imports; a strange one must not keep a whole issue from going out.
    """
    for candidate in (tag.replace("_", "-"), tag.replace("_", "-").partition("-")[0]):
        try:
            return Locale.parse(candidate, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def long_date(day: date, locale: str) -> str:
    """The day in full with its weekday, as written in ``locale`` (BCP 47): ``Friday 20 November 2026``."""
    return format_date(day, "full", locale=_locale(locale))


def plain_date(day: date, locale: str) -> str:
    """The day without its weekday, as written in ``locale``: ``20 November 2026``."""
    return format_date(day, "long", locale=_locale(locale))


def short_date(day: date, locale: str) -> str:
    """Day and month only, as written in ``locale``: ``20 Nov``."""
    return format_skeleton("MMMd", day, locale=_locale(locale))


def month(day: date, locale: str) -> str:
    """Month and year, as written in ``locale``: ``November 2026``."""
    return format_skeleton("yMMMM", day, locale=_locale(locale))


def clock_time(at: time, locale: str) -> str:
    """A time of day as written in ``locale``: ``7:00 AM``, ``07:00``."""
    return format_time(at, "short", locale=_locale(locale))


def moment(instant: datetime, zone: ZoneInfo, locale: str) -> str:
    """Day and time of an instant where clocks are those of ``zone``: ``Saturday 21 November 2026, 9:12 AM``."""
    local = instant.astimezone(zone)
    return f"{long_date(local.date(), locale)}, {clock_time(local.time(), locale)}"


@lru_cache(maxsize=512)
def zone_name(zone: str, locale: str) -> str:
    """A time zone as people call it in ``locale``: ``Ireland Time``; its IANA name where it has no place."""
    if "/" not in zone or zone.startswith("Etc/"):
        return zone.removeprefix("Etc/")
    return get_timezone_location(ZoneInfo(zone), locale=_locale(locale))


def language_name(tag: str) -> str:
    """A language in its own words: ``Deutsch``."""
    locale = _locale(tag)
    return (locale.get_display_name(locale) or tag).capitalize()


def direction(locale: str) -> str:
    """``"rtl"`` for languages written from right to left, else ``"ltr"``."""
    return "rtl" if _locale(locale).text_direction == "rtl" else "ltr"


def one_line(text: str) -> str:
    """``text`` on one line: whitespace collapsed; controls, direction overrides and slot marks gone."""
    return " ".join(_INVISIBLE.sub("", text).split())


def clamp(text: str, limit: int) -> str:
    """``text`` cut at a word so that, with its ellipsis, it has at most ``limit`` characters (at least 2).

    A single word longer than the limit is cut inside; a combining mark is never parted from its letter.
    """
    if limit < 2:
        raise ValueError(f"limit must be at least 2, got {limit}")
    text = text.strip()
    if len(text) <= limit:
        return text
    end = limit - 1
    if not text[end].isspace():
        space = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
        # Cut inside only where waiting for a space would lose half the text (CJK, one endless token).
        end = space if space > limit // 2 else end
    while end > 1 and _joins(text[end]):
        end -= 1
    return text[:end].rstrip().rstrip(" ,;:–—-.") + ELLIPSIS


def display_width(text: str) -> int:
    """How many terminal columns ``text`` takes; a slot counts as 24, about what an address or a date takes."""
    if text.isascii():
        return len(text)
    return sum(map(_width, _SLOT.sub("x" * SLOT_COLUMNS, text)))


def wrap(text: str, width: int = 72, *, indent: str = "", first: str | None = None) -> str:
    """``text`` as lines of at most ``width`` columns, ``indent`` before each (``first`` before the first one).

    Breaks at spaces, between wide (CJK) characters, and inside a token that is wider than a line;
    never inside a URL, which gets an overlong line instead so that it can still be clicked.
    """
    lines: list[str] = []
    line = indent if first is None else first
    filled = False
    for piece, spaced in _pieces(text, max(1, width - display_width(indent))):
        space = " " if spaced and filled else ""
        total = display_width(line) + len(space) + display_width(piece)
        # One closing mark may hang over the edge (kinsoku); a row of them is broken like anything else.
        hangs = piece in _NOT_AT_LINE_START and not spaced and total <= width + 2
        if filled and total > width and not hangs:
            lines.append(line)
            line, space = indent, ""
        line += space + piece
        filled = True
    return "\n".join([*lines, line]) if filled else ""


def soften(text: str, longest: int = LONGEST_TOKEN) -> str:
    """``text`` with a zero-width space after each ``longest`` characters of an unbroken token.

    Mail clients ignore ``overflow-wrap`` (caniemail), so one endless token would widen the whole page.
    """
    if all(len(token) <= longest for token in text.split()):
        return text
    out: list[str] = []
    run = 0
    for char in text:
        if char.isspace() or _width(char) == 2:
            run = 0
        elif not _joins(char):
            run += 1
            if run > longest:
                out.append(_ZERO_WIDTH_SPACE)
                run = 1
        out.append(char)
    return "".join(out)


def _width(char: str) -> int:
    if char < "\u0300":
        return 1
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _joins(char: str) -> bool:
    """Whether the character clings to the one before it (marks, joiners, variation selectors, skin tones)."""
    if char < "\u0300":
        return False
    return unicodedata.category(char) in {"Mn", "Me", "Mc", "Cf"} or "\U0001f3fb" <= char <= "\U0001f3ff"


def _pieces(text: str, width: int) -> Iterator[tuple[str, bool]]:
    """The unbreakable pieces of ``text`` in order, each with whether a space stood before it."""
    for token in text.split():
        spaced = True
        for piece in [token] if "://" in token or OPEN in token else _split(token, width):
            yield piece, spaced
            spaced = False


def _split(token: str, width: int) -> Iterator[str]:
    if token.isascii() and len(token) <= width:
        yield token
        return
    piece = ""
    for char in token:
        breaks = _width(char) == 2 or (piece and _width(piece[-1]) == 2) or display_width(piece) >= width
        if piece and breaks and not _joins(char):
            yield piece
            piece = ""
        piece += char
    yield piece
