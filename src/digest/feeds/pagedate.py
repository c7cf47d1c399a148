"""When a web page was published: JSON-LD, then meta elements, then what readers see, then a search of the whole page.

The search is htmldate's, looking for the original date: on the date sets of collection.md §2.2 it is the best of its
kind, and is only asked when the page itself says nothing, because it reads every text of the page.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from digest.feeds.byline import short_lines
from digest.feeds.furniture import day_line
from digest.feeds.pagefacts import Page, text_of
from digest.text import dates

_META_NAMES = """
article:published_time article:published og:article:published_time og:published_time datepublished date.published
publishdate publish_date publish-date publication_date publicationdate pubdate published_at article.published
parsely-pub-date sailthru.date cxenseparse:recs:publishtime dc.date.issued dcterms.issued dcterms.created
dcterms.date dc.date.created dc.date citation_publication_date citation_date
originalpublicationdate datecreated date pdate ptime release_date displaydate
"""
_META = _META_NAMES.split()
_IN_URL = re.compile(r"(?<!\d)((?:19|20)\d{2})[/-]?(0[1-9]|1[0-2])[/-]?(0[1-9]|[12]\d|3[01])(?!\d)")
_OFFSET = re.compile(r"\d\s*([+-])(\d{2}):?(\d{2})?$")
_TITLE_PARTS = re.compile(r"\s[|–—·•-]\s")
_FURTHEST = timedelta(hours=14)
_WESTMOST, _EASTMOST = timedelta(hours=-10), timedelta(hours=13)  # Hawaii, New Zealand's summer
_HOUR = timedelta(hours=1)
_ZONE_STEP, _SAME_MOMENT = timedelta(minutes=30), timedelta(minutes=2)
_MAX_TIMES = 8
_LINES_BEFORE, _LINES_AFTER = 8, 16


def published(page: Page, *, thorough: bool = True) -> dates.ParsedDate | None:
    """The instant or the day of publication, or None. ``thorough`` allows the search of the whole page."""
    language = page.language
    for raw in _told(page):
        if found := dates.parse(raw, language=language):
            return _on_its_day(_in_its_zone(found, raw), page)
    by_url = _in_address(page)
    for raw in _shown(page):
        if (found := dates.parse(raw, language=language)) and (by_url is None or _near(found, by_url)):
            return _on_its_day(_in_its_zone(found, raw), page)
    if by_url is not None:
        return by_url
    return (
        _behind_title(page)
        or _beside_headline(page)
        or (_searched(page.tree, page.canonical) if thorough else None)
        or next((found for line in short_lines(page.tree) if (found := day_line(line))), None)
    )


def _told(page: Page) -> list[str]:
    found = [text_of(page.linked.get("datePublished"))]
    found += [one for key in _META[:1] for one in page.meta.get(key, ())]
    found += [text_of(page.linked.get("dateCreated")), text_of(page.about.get("datePublished"))]
    found += [one for key in _META[1:] for one in page.meta.get(key, ())]
    found += [text_of(page.about.get("uploadDate")), text_of(page.linked.get("uploadDate"))]
    return [one for one in found if one]


def _shown(page: Page) -> list[str]:
    """The values of elements marked as dates of publication, and of the first few times of the page."""
    marked = "//*[@itemprop='datePublished' or @pubdate or contains(@class, 'published')]"
    nodes = [*page.tree.xpath(marked)[:_MAX_TIMES], *list(page.tree.iter("time"))[:_MAX_TIMES]]
    found = [node.get("datetime") or node.get("content") or " ".join(node.itertext()) for node in nodes]
    return [line for one in found if 5 < len(line := " ".join(one.split())) <= 80]


def _in_its_zone(found: dates.ParsedDate, raw: str) -> dates.ParsedDate:
    """The same instant, told in the offset the page writes it in: its day is the page's day then."""
    match = _OFFSET.search(raw)
    if found.is_day or match is None:
        return found
    east = timedelta(hours=int(match.group(2)), minutes=int(match.group(3) or 0))
    if east > _FURTHEST:
        return found
    return dates.ParsedDate(found.at.astimezone(timezone(-east if match.group(1) == "-" else east)), is_day=False)


def _on_its_day(found: dates.ParsedDate, page: Page) -> dates.ParsedDate:
    """The same instant, on the day the page gives it: many tell machines the time in UTC, and people their own day.

    The day is that of the address or, unless the page was changed later, of the line beside the headline. A time on
    that line gives the zone; otherwise the zone is only the nearest in which the instant falls on that day.
    """
    if found.is_day or not found.has_zone or found.at.utcoffset():
        return found
    shown = _in_address(page) or (None if _was_changed(page, found) else _beside_headline(page))
    if shown is None:
        return found
    if shown.is_day:
        offset = _to_day(found.at, shown.at.date())
    elif shown.has_zone:
        return found
    else:
        offset = round((shown.at - found.at) / _ZONE_STEP) * _ZONE_STEP
        if abs(shown.at - found.at - offset) > _SAME_MOMENT:
            return found
    if not _WESTMOST <= offset <= _EASTMOST:
        return found
    return dates.ParsedDate(found.at.astimezone(timezone(offset)), is_day=False)


def _to_day(at: datetime, day: date) -> timedelta:
    """The smallest offset from UTC, in hours, with which ``at`` falls on ``day``."""
    start = datetime.combine(day, time(), tzinfo=UTC)
    if at < start:
        return timedelta(hours=-((at - start) // _HOUR))
    return timedelta(hours=-max(0, (at - start - timedelta(days=1)) // _HOUR + 1))


def _was_changed(page: Page, published: dates.ParsedDate) -> bool:
    """Whether the page says it was changed later: the day it shows may be that of the change."""
    told = text_of(page.linked.get("dateModified")) or page.first("article:modified_time", "og:updated_time")
    changed = dates.parse(told) if told else None
    return changed is not None and changed.at - published.at > _HOUR


def _behind_title(page: Page) -> dates.ParsedDate | None:
    """The date at the end of the window title: "Headline | Paper | 28.04.2023"."""
    parts = _TITLE_PARTS.split(page.tree.findtext(".//title") or "")
    return day_line(parts[-1].strip()) if len(parts) > 1 else None


def _beside_headline(page: Page) -> dates.ParsedDate | None:
    """The date that is a line of its own within a few lines of the headline."""
    lines: list[str] = []
    at = None
    for node in page.tree.iter("h1", "li", "span", "div", "p", "small", "time", "address", "em", "td"):
        if node.tag == "h1" and at is None:
            at = len(lines)
        elif len(node) == 0 and (line := " ".join((node.text or "").split())):
            lines.append(line)
            if at is not None and len(lines) > at + _LINES_AFTER:
                break
    if at is None:
        return None
    for line in (*lines[at:], *lines[max(0, at - _LINES_BEFORE) : at]):
        if found := day_line(line):
            return found
    return None


def _in_address(page: Page) -> dates.ParsedDate | None:
    for address in (page.canonical, page.url):
        if match := _IN_URL.search(address):
            try:
                return dates.from_day(date(*(int(part) for part in match.groups())))
            except ValueError:
                continue
    return None


def _near(found: dates.ParsedDate, other: dates.ParsedDate) -> bool:
    return abs((found.at - other.at).days) <= 2


def _searched(tree: Any, url: str) -> dates.ParsedDate | None:
    from htmldate import find_date  # noqa: PLC0415 - needed for one page in ten, and slow to import

    try:
        day = find_date(tree, original_date=True, url=url or None, outputformat="%Y-%m-%d")
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None  # it reads every text of the page as a possible date, and some shapes surprise it
    if not day or day.endswith("-01-01"):  # what it makes of a year alone, a copyright's for example
        return None
    return dates.from_day(date.fromisoformat(day))
