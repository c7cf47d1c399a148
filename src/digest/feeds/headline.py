"""The headline of a web page: what readers see above the text, checked against what the page tells machines.

Rules (measured in docs/decisions/0023): a heading that agrees with a told title wins, because told titles carry the
site's name and rewordings for networks; without one the told title stands, freed of site and section names at its
ends. Text of a heading that no told title knows is a banner or another article's, and is taken only when nothing
is told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from digest.feeds.pagefacts import Page, comparable, plain, text_of

_SEPARATOR = re.compile(
    r"\s+(?:[|–—·•»«›‹/:]|-{1,2}|::|//|\|\|)\s+|\s*[|｜»«›‹]\s*|(?<=[^\x00-\u2fff])[_-]{1,2}(?=[^\x00-\u2fff])"
)
_BAR = frozenset("|｜»«_")
_WORD = re.compile(r"\w+")
_GENERIC = frozenset({"home", "news", "index", "article", "artikel", "untitled", "blog", "startseite", "page"})
#: Share of words two titles must have in common to be one headline in two wordings.
_AGREES = 0.5
#: And to be the same headline.
_SAME = 0.9
_MIN_PART_CHARS = 8
#: A last part with at most so many words, that no other title of the page has, is the site's or the section's name.
_MAX_NAME_WORDS = 5
#: Shorter JSON-LD headlines are not cut to what search engines take.
_CUT_FROM = 80


def headline(page: Page) -> str:
    """The headline, or ``""``."""
    told = told_titles(page)
    if told.chosen:
        return _untruncated(told.chosen, [told.network, told.window, *page.headings])
    seen = [line for line in page.headings if not _is_name(line, page)]
    whole = told.network_whole or told.window_whole
    inside = [line for line in seen if _is_part(line, whole)]
    if inside:
        return max(inside, key=len)
    rest = next((line for line in (told.network, told.window) if line and not _is_name(line, page)), "")
    agreeing = max(seen, key=lambda line: _likeness(line, rest), default="")
    if agreeing and (_likeness(agreeing, rest) >= _AGREES or _is_shorter(agreeing, whole)):
        return _without_names(agreeing, page)
    return rest or next(iter(seen), "") or next(iter(page.headings), "")


@dataclass(frozen=True, slots=True)
class Told:
    """What the page calls itself, freed of names: in JSON-LD, to networks (OpenGraph) and in its window title.

    ``chosen`` is the headline where JSON-LD has one; the other two also as they stand, in ``…_whole``.
    """

    chosen: str
    network: str
    network_whole: str
    window: str
    window_whole: str


def told_titles(page: Page) -> Told:
    """The titles told to machines."""
    network = page.first(
        "og:title", "twitter:title", "headline", "dc.title", "parsely-title", "sailthru.title", "title"
    )
    window = plain(page.tree.findtext(".//title") or "")
    linked = _without_names(plain(text_of(page.linked.get("headline"))), page)
    shown, named = _without_names(network, page, is_told=True), _without_names(window, page, is_told=True)
    if linked and _is_name(linked, page):
        linked = ""
    return Told(_editors(linked, shown, named, page), shown, network, named, window)


def _editors(linked: str, network: str, window: str, page: Page) -> str:
    """Of two differing headlines the one somebody wrote for its place: not the window's title once more.

    Content systems fill what editors leave open from one field; where og:title or JSON-LD's headline differs from the
    window title, it was written on purpose. Where that decides nothing, the one readers see above the text wins.
    """
    if not linked or not network or _likeness(linked, network) >= _SAME:
        return linked
    of_window = [_likeness(one, window) >= _SAME for one in (linked, network)]
    if of_window[0] != of_window[1]:
        return network if of_window[0] else linked
    return max((linked, network), key=lambda one: max((_likeness(one, line) for line in page.headings), default=0.0))


def _without_names(title: str, page: Page, *, is_told: bool = False) -> str:
    """``title`` without the names of site or section at its ends; ``is_told``: a title for windows or networks."""
    rivals = {comparable(line) for line in (*page.headings, page.first("og:title"))} - {comparable(title)}
    while cuts := list(_SEPARATOR.finditer(title)):
        head, tail = title[: cuts[-1].start()].strip(), title[cuts[-1].end() :].strip()
        is_barred = is_told and bool(_BAR & set(cuts[-1].group()))
        if head and (
            _is_name(tail, page)
            or (comparable(head) in rivals and len(tail.split()) <= 2 * _MAX_NAME_WORDS)
            or (is_barred and len(tail.split()) <= _MAX_NAME_WORDS < len(head))
        ):
            title = head
            continue
        head, tail = title[: cuts[0].start()].strip(), title[cuts[0].end() :].strip()
        if len(tail) > len(head) and _is_name(head, page):
            title = tail
            continue
        break
    return title


def _is_part(line: str, title: str) -> bool:
    """Whether a heading is a whole part of a longer title, or its beginning, and not the name at its end."""
    parts = [part.strip() for part in _SEPARATOR.split(title) if part.strip()]
    own = comparable(line)
    if len(own) < _MIN_PART_CHARS or not parts:
        return False
    if own == comparable(parts[-1]) and len(parts) > 1:
        return len(parts[-1]) > max(map(len, parts[:-1]))
    return own in {comparable(part) for part in parts} or comparable(title).startswith(own)


def _untruncated(title: str, others: Iterable[str]) -> str:
    """``title``, or the other that it is the beginning of: search engines want headlines of 110 characters."""
    own = comparable(title)
    longer = [other for other in others if len(other) > len(title) and comparable(other).startswith(own)]
    is_cut = len(title) >= _CUT_FROM or title.endswith(("…", "..."))
    return min(longer, key=len) if longer and is_cut else title


def _is_name(text: str, page: Page) -> bool:
    """Whether a text only names the site, in one of the ways names are written ("BBC News", "spiegel.de")."""
    own = comparable(text)
    if not own or own in page.site_names or text.strip().casefold() in _GENERIC:
        return True
    if len(text.split()) > _MAX_NAME_WORDS:
        return False
    for name in page.site_names:
        shorter, longer = sorted((own, name), key=len)
        if (
            len(shorter) >= 3
            and (longer.startswith(shorter) or longer.endswith(shorter))
            and (len(shorter) * 2 >= len(longer) or longer.replace(shorter, "", 1) in _GENERIC)
        ):
            return True
    return False


def _is_shorter(line: str, title: str) -> bool:
    """Whether a heading of several words has none that the title has not."""
    words = set(_WORD.findall(line.casefold()))
    return len(words) > 1 and words <= set(_WORD.findall(title.casefold()))


def _likeness(line: str, other: str) -> float:
    """How many of their words two lines share: F1 of word bags, 0 to 1."""
    own, words = Counter(_WORD.findall(line.casefold())), Counter(_WORD.findall(other.casefold()))
    shared = (own & words).total()
    return 2 * shared / (own.total() + words.total()) if shared else 0.0
