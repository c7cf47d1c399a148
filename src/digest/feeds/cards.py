"""What stands around a link on a listing page: date, teaser, picture, section.

A link's card is the largest element that holds no other article's link. Where a page has no cards (headings, dates
and paragraphs in one flat row), what follows the link until the next one belongs to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from digest.feeds import fields
from digest.text import dates

_DATE_NAME = re.compile(
    r"(?:^|[-_ ])(?:date|datum|fecha|time|timestamp|published|posted|pubdate|zeit|when)(?:[-_ ]|$)", re.IGNORECASE
)
_LABEL_NAME = re.compile(
    r"(?:^|[-_ ])(?:cat|category|categories|kicker|section|topic|label|rubrik|eyebrow|tag)(?:[-_ ]|$)", re.IGNORECASE
)
_AUTHOR_NAME = re.compile(r"(?:^|[-_ ])(?:author|byline|autor|writer)(?:[-_ ]|$)", re.IGNORECASE)
_BY = re.compile(r"^(?:by|von|par|por|di)\s+", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_SPACE = re.compile(r"\s+")
_TOPS = frozenset({"body", "main", "html"})
_STOPS = frozenset({"body", "main", "html", "h1", "h2", "h3", "nav", "footer", "aside", "script", "style"})
_MAX_DATE_CHARS = 45
_MAX_SIBLINGS = 8
_MAX_PARTS = 400
_MIN_TEASER_CHARS = 40
_MAX_TEASER_CHARS = 1000
_MANY = ""  # owner of an element that holds links to several articles


@dataclass(slots=True)
class Card:
    """What was found beside one link; texts are plain."""

    published: dates.ParsedDate | None = None
    teaser: str = ""
    image_url: str = ""
    image_alt: str = ""
    label: str = ""
    author: str = ""


def owners(links: dict[str, list[Any]]) -> dict[Any, str]:
    """Element → the one address linked within it, ``""`` when there are several."""
    found: dict[Any, str] = {}
    for address, anchors in links.items():
        for anchor in anchors:
            for element in (anchor, *anchor.iterancestors()):
                owner = found.get(element)
                if owner is None:
                    found[element] = address
                elif owner != address:
                    if owner == _MANY:
                        break  # so are all above it
                    found[element] = _MANY
    return found


def read(anchors: list[Any], address: str, owned: dict[Any, str], *, title: str, reader: dates.DateReader) -> Card:
    """The card of one address, from all the places where it is linked."""
    card = Card()
    for anchor in anchors[:5]:
        for element in _parts(anchor, address, owned):
            _take(card, element, title=title, reader=reader)
    return card


def _parts(anchor: Any, address: str, owned: dict[Any, str]) -> Iterator[Any]:
    top = anchor
    for element in anchor.iterancestors():
        if owned.get(element) != address or element.tag in _TOPS:
            break
        top = element
    count = 0
    for region in (top, *_beside(top, owned)):
        for element in region.iter():
            count += 1
            if count > _MAX_PARTS:
                return
            if isinstance(element.tag, str):
                yield element


def _beside(top: Any, owned: dict[Any, str]) -> list[Any]:
    """Elements beside a card that belong to nobody else: after it, or before it where a row starts with a date."""
    parent = top.getparent()
    if parent is None:
        return []
    leads = parent[0] is not top and parent[0] not in owned and _is_date(parent[0])
    found = []
    for at, element in enumerate(top.itersiblings(preceding=leads)):
        if at >= _MAX_SIBLINGS or element in owned or element.tag in _STOPS:
            break
        found.append(element)
    return found


def _is_date(element: Any) -> bool:
    if not isinstance(element.tag, str):
        return False
    told = _text(element)
    return element.tag == "time" or (len(told) <= _MAX_DATE_CHARS and dates.parse_plain(told) is not None)


def _take(card: Card, element: Any, *, title: str, reader: dates.DateReader) -> None:
    tag = element.tag
    name = f"{element.get('class') or ''} {element.get('itemprop') or ''} {element.get('data-testid') or ''}"
    if card.published is None:
        card.published = _date(element, tag, name, reader)
    if tag == "img" and not card.image_url:
        source = element.get("src") or ""
        if source.startswith("data:") or not source:
            source = element.get("data-src") or (element.get("data-srcset") or "").strip().split(" ")[0]
        if source and not source.startswith("data:"):
            card.image_url, card.image_alt = source, element.get("alt") or ""
    elif tag in {"p", "div", "span"} and not card.teaser:
        told = _own_text(element, tag)
        if _MIN_TEASER_CHARS <= len(told) <= _MAX_TEASER_CHARS and told != title and title not in told:
            card.teaser = told
    if not card.label and len(element) == 0 and _LABEL_NAME.search(name) and len(told := _text(element)) <= 40:
        card.label = told
    if not card.author and _AUTHOR_NAME.search(name) and len(told := _BY.sub("", _text(element))) <= 80:
        card.author = told


def _date(element: Any, tag: str, name: str, reader: dates.DateReader) -> dates.ParsedDate | None:
    if tag == "time" and (told := element.get("datetime")) and (found := reader.read(told)):
        return found
    if tag == "meta" and "datePublished" in name:
        return reader.read(element.get("content") or "")
    is_named = tag == "time" or bool(_DATE_NAME.search(name))
    if not is_named and len(element):
        return None
    told = _text(element) if is_named else _SPACE.sub(" ", element.text or "").strip()
    if not 6 <= len(told) <= _MAX_DATE_CHARS or not _DIGIT.search(told):
        return None
    found = dates.parse_plain(told, language=reader.language)
    if found is None and is_named:
        found = reader.read(told)
    return found


def _own_text(element: Any, tag: str) -> str:
    """A paragraph's text; of other elements only what stands directly in them."""
    told = element.text_content() if tag == "p" else element.text or ""
    return fields.line(_SPACE.sub(" ", told).strip()) if len(told) >= _MIN_TEASER_CHARS else ""


def _text(element: Any) -> str:
    return _SPACE.sub(" ", element.text_content()).strip()
