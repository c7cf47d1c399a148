"""What a web page says of itself to machines: its tree, parsed once, its meta elements and its JSON-LD.

First part of reading a page; headline, author, date and text are found from here by modules of their own. Pages
lie and break: JSON-LD that is not JSON is mended where that is safe and otherwise passed over, and one of several
articles is taken only when it is the one the page is about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from digest.feeds import htmltree
from digest.text import charset, html
from digest.text import url as urls

_ARTICLE_TYPES = re.compile(r"(?:Article|Posting|Report|Review|Recipe)$", re.IGNORECASE)
_PAGE_TYPES = re.compile(r"(?:WebPage|ItemPage|VideoObject|PodcastEpisode|CreativeWork)$", re.IGNORECASE)
_COMPARABLE = re.compile(r"[\W_]+")
_WRAPPING = re.compile(
    r"^\s*(?://\s*)?(?:<!--|<!\[CDATA\[|/\*<!\[CDATA\[\*/)|(?://\s*)?(?:-->|\]\]>|/\*\]\]>\*/)\s*;?\s*$"
)
_TRAILING_COMMA = re.compile(r",\s*([}\]])")
_SITE_META = (
    "og:site_name",
    "application-name",
    "apple-mobile-web-app-title",
    "al:ios:app_name",
    "al:android:app_name",
)
_SUBDOMAINS = frozenset({"www", "m", "mobile", "amp", "en", "news", "edition", "beta"})
#: Parts of JSON-LD to look at: a page with more is a database, not an article's description.
_MAX_OBJECTS = 2_000


@dataclass(frozen=True)
class Page:
    """A parsed page. ``tree`` is lxml's; ``url`` is where it came from, or ``""``.

    ``meta``: key of a meta element (lower case) → its contents in document order, never empty ones.
    ``linked`` is the JSON-LD object of the page's article, ``{}`` without one; ``about`` that of the page itself.
    """

    tree: Any
    url: str
    meta: dict[str, tuple[str, ...]]
    linked: dict[str, Any]
    about: dict[str, Any]
    by_id: dict[str, dict[str, Any]]

    def first(self, *keys: str) -> str:
        """The first content of the first of these meta elements that is there, as a line; ``""`` for none."""
        return next((line for key in keys for raw in self.meta.get(key, ()) if (line := plain(raw))), "")

    @cached_property
    def base(self) -> str:
        """Where relative links of the page start."""
        return htmltree.base_of(self.tree, self.url)

    @cached_property
    def canonical(self) -> str:
        """The address the page wants to be known by; its own where it names none."""
        for node in self.tree.iter("link"):
            if "canonical" in (node.get("rel") or "").lower().split() and (
                found := urls.absolute(self.base, node.get("href") or "")
            ):
                return found
        return urls.absolute(self.base, self.first("og:url")) or self.url

    @cached_property
    def site(self) -> str:
        """The site's name as it writes it, or ``""``."""
        publisher = self.linked.get("publisher") or self.about.get("publisher")
        return self.first("og:site_name") or plain(named(self.resolved(publisher))) or self.first(*_SITE_META)

    @cached_property
    def site_names(self) -> frozenset[str]:
        """Every name the site goes by, comparable (`comparable`), its domain included."""
        found = [self.first(key) for key in _SITE_META]
        found += [
            plain(named(self.resolved(one))) for one in (self.linked.get("publisher"), self.about.get("publisher"))
        ]
        found.append(self.first("twitter:site").lstrip("@"))
        for address in (self.canonical, self.url):
            host = urls.host(address)
            labels = [label for label in host.split(".") if label not in _SUBDOMAINS]
            found += [host, ".".join(labels), *labels[:-1]]
        return frozenset(name for one in found if len(name := comparable(one)) >= 2)

    @cached_property
    def language(self) -> str | None:
        """The language the page says it is in (BCP 47), unchecked."""
        said = self.tree.get("lang") or self.tree.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
        said = said or text_of(self.linked.get("inLanguage")) or self.first("og:locale", "content-language", "language")
        said = said.strip().replace("_", "-").split(",")[0]
        return said if re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", said) else None

    @cached_property
    def headings(self) -> tuple[str, ...]:
        """The first-level headings, as lines, in document order."""
        return tuple(line for node in self.tree.iter("h1") if (line := plain(node.text_content())))

    def resolved(self, value: object) -> object:
        """``value``, or what it points to when it is only a reference within the JSON-LD."""
        if isinstance(value, dict) and set(value) <= {"@id", "@type"}:
            return self.by_id.get(text_of(value.get("@id")), value)
        return value


def read(text: str, *, url: str = "") -> Page | None:
    """The page in ``text``; None where there is nothing in it to read."""
    tree = htmltree.parse(text)
    if tree is None:
        return None
    meta = _meta(tree)
    objects = list(_objects(tree))
    by_id: dict[str, dict[str, Any]] = {}
    for item in objects:
        known = by_id.setdefault(text_of(item.get("@id")), item)
        if len(item) > len(known):
            by_id[text_of(item.get("@id"))] = item
    by_id.pop("", None)
    return Page(
        tree=tree,
        url=url,
        meta=meta,
        linked=_article_object(objects, meta, tree),
        about=next((item for item in objects if _is_a(item, _PAGE_TYPES)), {}),
        by_id=by_id,
    )


def plain(value: str) -> str:
    """``value``, which may hold markup, references or mojibake, as one clean line."""
    line = html.to_line(value)
    if "&" in line and ";" in line:  # escaped twice, by the content system and by its template
        line = html.to_line(line)
    return charset.unmojibake(line)


def comparable(value: str) -> str:
    """``value`` for telling whether two texts are the same: case, spaces and punctuation gone."""
    return _COMPARABLE.sub("", value).casefold()


def text_of(value: object) -> str:
    """A JSON-LD value as text: itself, the first of a list, or what ``@value`` holds."""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else ""
        elif isinstance(value, dict):
            value = value.get("@value", "")
        else:
            break
    return value.strip() if isinstance(value, str) else ""


def named(value: object) -> str:
    """The name of a person or an organisation as JSON-LD gives it: text, or an object with a name."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return text_of(value.get("name")) if isinstance(value, dict) else text_of(value)


def types_of(item: dict[str, Any]) -> tuple[str, ...]:
    """The ``@type`` of a JSON-LD object, which may be several."""
    kinds = item.get("@type")
    return tuple(kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str))


def _is_a(item: dict[str, Any], wanted: re.Pattern[str]) -> bool:
    return any(wanted.search(kind) for kind in types_of(item))


def _meta(tree: Any) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for node in tree.iter("meta"):
        content = (node.get("content") or "").strip()
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            key = (node.get(attribute) or "").strip().lower()
            if key and content:
                found.setdefault(key, []).append(content)
    return {key: tuple(values) for key, values in found.items()}


def _article_object(objects: list[dict[str, Any]], meta: dict[str, tuple[str, ...]], tree: Any) -> dict[str, Any]:
    """The object of the article the page is about: the one whose headline the page shows, else the first."""
    found = [item for item in objects if _is_a(item, _ARTICLE_TYPES)]
    if len(found) > 1:
        title = tree.find(".//title")
        shown = [*meta.get("og:title", ()), *meta.get("twitter:title", ())]
        shown += [title.text_content()] if title is not None else []
        shown += [node.text_content() for node in tree.iter("h1")]
        told = {comparable(plain(line)) for line in shown} - {""}
        for item in found:
            own = comparable(plain(text_of(item.get("headline")) or text_of(item.get("name"))))
            if len(own) > 8 and any(own in line or (len(line) > 8 and line in own) for line in told):
                return item
    return found[0] if found else {}


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    """Every JSON-LD object of the page that can speak for it, outermost first; lists of other articles left out."""
    pending: list[object] = []
    for node in tree.iter("script"):
        if "ld+json" in (node.get("type") or "").lower():
            pending += _loaded(node.text or "")
    for _ in range(_MAX_OBJECTS):
        if not pending:
            return
        item = pending.pop(0)
        if isinstance(item, list):
            pending[:0] = item
        elif isinstance(item, dict):
            yield item
            for key in ("@graph", "mainEntity", "mainEntityOfPage", "author", "publisher"):
                if isinstance(item.get(key), (list, dict)):
                    pending.append(item[key])


def _loaded(script: str) -> list[object]:
    """The values in a JSON-LD script: as they stand, or mended; none when it is not JSON at all."""
    script = _WRAPPING.sub("", _WRAPPING.sub("", script)).strip().rstrip(";")
    for attempt in (script, _TRAILING_COMMA.sub(r"\1", script)):
        try:
            return [json.loads(attempt, strict=False)]
        except (ValueError, RecursionError):  # pages ship broken JSON-LD; it is only one of the places we look
            continue
    try:
        return [json.JSONDecoder(strict=False).raw_decode(script)[0]]  # something stands behind the object
    except (ValueError, RecursionError):
        return []
