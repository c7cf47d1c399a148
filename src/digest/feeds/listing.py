"""A web page that lists articles, as a source (collection.md F21).

What counts as an article is a link within the site that has the shape of one, by several signs at once: a date in
its address or beside it, an address made of a headline's words, a heading, a text of a headline's length, a teaser,
and neighbours built alike. Navigation, advertisements, legal pages and boxes such as "most read" have too few of
them, or stand where no article stands.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from statistics import median
from typing import Any
from urllib.parse import unquote, urlsplit

from digest.feeds import cards, fields, htmltree
from digest.feeds.fields import Draft, newest
from digest.model.article import Oddity, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import dates
from digest.text import url as urls

MIN_ARTICLES = 3

_ENOUGH = 3  # points; a long headline on a slug alone is 2, and so are many links to services
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_SKIPPED_TAGS = frozenset(
    {"nav", "footer", "aside", "form", "script", "style", "noscript", "template", "svg", "dialog", "select"}
)
_SKIPPED_ROLES = frozenset({"navigation", "contentinfo", "search", "complementary", "banner", "dialog", "menu"})
_SKIPPED_NAMES_TEXT = """
nav navigation navbar menu submenu megamenu breadcrumb breadcrumbs footer pagination pager sidebar cookie cookies
consent share sharing social advert advertisement adverts ad ads adbox banner sponsor sponsored newsletter subscribe
comments popular trending mostread toplist tagcloud login related recommended skiplinks offcanvas anzeige werbung
publicidad pub
"""
_SKIPPED_NAMES = frozenset(_SKIPPED_NAMES_TEXT.split())
_SKIPPED_PAIRS = frozenset({"most-read", "most-viewed", "most-popular", "tag-cloud", "site-footer", "read-next"})
_STATE_WORDS = frozenset({"has", "no", "with", "without", "is", "not"})
_FILE = re.compile(
    r"\.(?:jpe?g|png|gif|webp|svg|pdf|zip|mp3|mp4|m4a|css|js|xml|rss|json|ics|docx?|xlsx?)$", re.IGNORECASE
)
_DATE_PATH = re.compile(
    r"/(?:19|20)\d\d[/-]?(?:0?[1-9]|1[0-2])(?:[/-]?(?:0?[1-9]|[12]\d|3[01]))?(?=[/_-]|$)|[-/](?:19|20)\d{6}(?=[-/_.]|$)"
)
_NUMBERED = re.compile(
    r"(?:^|[/_.-])[a-z]?\d{5,}(?=[/_.-]|$)|/(?:article|articles|story|stories|news|artikel|nota|noticia|node|p)/\d+",
    re.IGNORECASE,
)
_SERVICE_NAMES = """
about about-us contact contact-us kontakt impressum imprint privacy privacy-policy privacidad datenschutz terms
terms-of-use terms-of-service terms-and-conditions cookies cookie-policy legal login signin sign-in signup register
registration account profile subscribe subscription subscriptions abo newsletter newsletters search suche help faq
feedback jobs careers advertise advertising tags topics categories authors archive archives feed feeds rss sitemap shop
cart store donate press ads click accessibility
"""
_SERVICES = frozenset(_SERVICE_NAMES.split())  # what an address of a service ends in
_SECTION_NAMES = """
tag tags topic topics category categories author authors autor login account profile legal help search page jobs
shop store cart sponsored promo ads ad click feed
"""
_SECTIONS = frozenset(_SECTION_NAMES.split())  # folders in which no article lies
_MORE = re.compile(
    r"^(?:read more|read on|continue reading|more|full story|view|details|weiterlesen|mehr|lire la suite|lire plus"
    r"|leer m[aá]s|continua|leggi tutto|leia mais|lees meer|läs mer|czytaj więcej|\d+ comments?|share|comments?)\W*$",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")  # scripts without blanks, or with few
_SPACE = re.compile(r"\s+")
_MAX_GUESSES = 20  # on pages most texts with digits are no dates
_MAX_LINKS = 20_000
_MAX_TITLE_CHARS = 300


@dataclass(slots=True)
class _Link:
    """All anchors of one address."""

    address: str
    anchors: list[Any] = field(default_factory=list)
    title: str = ""
    in_heading: bool = False
    shape: str = ""
    card: cards.Card | None = None


def parse(text: str, *, url: str, odd: tuple[Oddity, ...] = ()) -> ParsedFeed:
    """The articles that the page at ``url`` lists. Raises FeedMalformed when they are too few to be a list."""
    tree = htmltree.parse(text)
    links = _articles(tree, url) if tree is not None else []
    if len(links) < MIN_ARTICLES:
        raise FeedMalformed(
            "this is a web page, and it neither names a feed nor lists articles",
            hint="look for an RSS link on the site, or use the address of its list of news",
        )
    language = tree.get("lang") or None
    drafts = newest([_draft(one, language) for one in links])
    entries = tuple(one.finish(base=url, language=language, position=i) for i, one in enumerate(drafts))
    warnings = list(odd)
    if undated := sum(entry.published_at is None for entry in entries):
        warnings.append(Oddity("no-date", f"{undated} of {len(entries)} entries have no date"))
    element = tree.find(".//title")
    title = fields.line(element.text_content()) if element is not None else ""
    return ParsedFeed("page", title, url or None, language, entries, tuple(warnings))


def count(tree: Any, url: str) -> int:
    """How many articles a page lists."""
    return len(_articles(tree, url))


def is_article_address(address: str) -> bool:
    """Whether an address has the shape of an article's: a date and a name, a number, or a headline's words."""
    path = unquote(urlsplit(address).path)
    return bool(_DATE_PATH.search(path) and _is_slug(path)) or bool(_NUMBERED.search(path)) or _is_slug(path, words=4)


def _articles(tree: Any, url: str) -> list[_Link]:
    links = _links(tree, url)
    owners = cards.owners({one.address: one.anchors for one in links})
    reader = dates.DateReader(tree.get("lang") or None, guesses=_MAX_GUESSES)
    for one in links:
        one.card = cards.read(one.anchors, one.address, owners, title=one.title, reader=reader)
    shapes = Counter(one.shape for one in links)
    lengths = {shape: [len(one.title) for one in links if one.shape == shape] for shape in shapes}
    alike = {shape for shape, times in shapes.items() if times >= 5 and median(lengths[shape]) >= 25}
    return [one for one in links if _points(one, is_alike=one.shape in alike) >= _ENOUGH]


def _points(link: _Link, *, is_alike: bool) -> int:
    """How much a link looks like an article; only what has a headline or a dated address is asked at all."""
    path = unquote(urlsplit(link.address).path)
    has_headline = _is_headline(link.title)
    has_dated_address = bool(_DATE_PATH.search(path))
    if not has_headline and not (has_dated_address and len(link.title) >= 8):
        return 0
    card = link.card or cards.Card()
    return (
        2 * has_dated_address
        + 2 * (card.published is not None)
        + 2 * link.in_heading
        + has_headline
        + (_is_slug(path) or bool(_NUMBERED.search(path)))
        + bool(card.teaser)
        + bool(card.image_url and link.anchors)
        + is_alike
    )


def _links(tree: Any, url: str) -> list[_Link]:
    """The site's links outside navigation and boxes, by address, in page order."""
    base = htmltree.base_of(tree, url)
    here = urls.canonical(url)
    found: dict[str, _Link] = {}
    for anchor in _anchors(tree):
        address = urls.absolute(base, anchor.get("href") or "").partition("#")[0]
        if not address or not _is_within(address, url) or (key := urls.canonical(address)) == here:
            continue
        link = found.setdefault(key, _Link(address))
        link.anchors.append(anchor)
    for link in found.values():
        _name(link)
    return [link for link in found.values() if link.title]


def _anchors(tree: Any) -> list[Any]:
    """Anchors in page order; subtrees that hold no articles are not entered."""
    found: list[Any] = []
    pending = [tree]
    while pending and len(found) < _MAX_LINKS:
        element = pending.pop()
        if not isinstance(element.tag, str) or _is_aside(element):
            continue
        if element.tag == "a" and element.get("href") and not _is_paid(element):
            found.append(element)
        pending += reversed(element)
    return found


def _is_aside(element: Any) -> bool:
    if element.tag in {"html", "body", "main", "article"}:
        return False
    if element.tag in _SKIPPED_TAGS or (element.get("role") or "").strip().lower() in _SKIPPED_ROLES:
        return True
    if element.tag == "header":  # the site's, not an article's or a section's
        return all(one.tag not in {"article", "main", "section"} for one in element.iterancestors())
    names = f"{element.get('class') or ''} {element.get('id') or ''}".lower()
    if not names.strip() or element.tag in _HEADINGS or element.tag == "a":
        return False
    return any(_names_aside(name) for name in names.split())


def _names_aside(name: str) -> bool:
    parts = re.split(r"[-_]+", name)
    if parts[0] in _STATE_WORDS or len(parts) > 4:
        return False
    pairs = {f"{one}-{two}" for one, two in pairwise(parts)}
    return parts[0] in _SKIPPED_NAMES or parts[-1] in _SKIPPED_NAMES or bool(pairs & _SKIPPED_PAIRS)


def _is_paid(anchor: Any) -> bool:
    return "sponsored" in (anchor.get("rel") or "").lower()


def _is_within(address: str, url: str) -> bool:
    """Whether an address is a page of the same site, and no section, service or file."""
    parts = urlsplit(address)
    if url and urls.host(address) != urls.host(url):
        return False
    segments = [one for one in unquote(parts.path).lower().split("/") if one]
    if not segments and not parts.query:
        return False
    if _FILE.search(parts.path):
        return False
    last = segments[-1].partition(".")[0] if segments else ""
    return last not in _SERVICES and not (set(segments[:-1]) & _SECTIONS)


def _name(link: _Link) -> None:
    """The headline: the text of a heading in or around an anchor, else the longest text."""
    best = ""
    for anchor in link.anchors:
        inner = next((one for one in anchor.iter(*_HEADINGS)), None)
        outer = next((one for one in _near(anchor) if one.tag in _HEADINGS), None)
        told = _text(inner if inner is not None else anchor)
        if not told and len(anchor):
            told = _SPACE.sub(" ", anchor.get("title") or anchor.get("aria-label") or "").strip()
        if not told or _MORE.match(told) or len(told) > _MAX_TITLE_CHARS:
            continue
        is_heading = inner is not None or outer is not None
        if (is_heading, len(told)) > (link.in_heading, len(best)):
            best, link.in_heading = told, is_heading
            link.shape = _shape(anchor)
    link.title = best


def _near(anchor: Any) -> list[Any]:
    above = []
    for one in anchor.iterancestors():
        above.append(one)
        if len(above) == 3:
            break
    return above


def _shape(anchor: Any) -> str:
    """Tags and classes of an anchor and what is around it: the same for all links of one list."""
    return ">".join(f"{one.tag}.{(one.get('class') or '').strip()}" for one in (anchor, *_near(anchor)[:2]))


def _is_headline(title: str) -> bool:
    if _WIDE.search(title):
        return len(title) >= 8
    return len(_WORD.findall(title)) >= 4 or (len(title) >= 20 and len(_WORD.findall(title)) >= 3)


def _is_slug(path: str, *, words: int = 3) -> bool:
    """Whether an address ends in a headline's words."""
    last = path.rstrip("/").rpartition("/")[2].partition(".")[0]
    return len([part for part in re.split(r"[-_]", last) if len(part) > 1 and not part.isdigit()]) >= words


def _text(element: Any) -> str:
    return _SPACE.sub(" ", element.text_content()).strip()


def _draft(link: _Link, language: str | None) -> Draft:
    card = link.card or cards.Card()
    return Draft(
        guid=link.address,
        link=link.address,
        title=escape(link.title, quote=False),
        summary=escape(card.teaser, quote=False),
        author=escape(card.author, quote=False),
        published=card.published,
        image_url=card.image_url,
        image_alt=escape(card.image_alt, quote=False),
        labels=fields.labels([escape(card.label, quote=False)]),
        language=language or "",
    )
