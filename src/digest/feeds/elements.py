"""One item or entry of an XML feed, read into a `Draft`.

Elements are known by their namespace, whatever prefix a document gives it, and by local name in lower case:
publishers write pubdate, forget namespaces and declare wrong ones. A name without a colon belongs to the feed's own
vocabulary; the others are ``prefix:name`` with the prefix everybody uses.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import urljoin

from lxml import etree

from digest.feeds import fields
from digest.feeds.fields import Draft
from digest.model.article import Enclosure
from digest.text import dates
from digest.text import url as urls

XML = "{http://www.w3.org/XML/1998/namespace}"
BASE, LANG = f"{XML}base", f"{XML}lang"

_PREFIXES = {
    "http://www.w3.org/2005/atom": "atom",
    "http://purl.org/atom/ns": "atom",
    "http://purl.org/dc/elements/1.1": "dc",
    "http://purl.org/dc/elements/1.0": "dc",
    "http://purl.org/dc/terms": "dcterms",
    "http://purl.org/rss/1.0/modules/content": "content",
    "http://purl.org/rss/1.0/modules/syndication": "sy",
    "http://search.yahoo.com/mrss": "media",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns": "rdf",
    "http://www.w3.org/1999/xhtml": "xhtml",
    "http://purl.org/rss/1.0": "",
    "http://my.netscape.com/rdf/simple/0.9": "",
    "http://channel.netscape.com/rdf/simple/0.9": "",
    "http://backend.userland.com/rss2": "",
    "http://backend.userland.com/rss": "",
    "http://blogs.law.harvard.edu/tech/rss": "",
}
_TAG = re.compile(r"<[^<>]*>")
_XMLNS = re.compile(r"""\sxmlns(?::[\w.-]+)?=(?:"[^"]*"|'[^']*')""")
_ADDRESS = re.compile(r"""(\s(?:href|src)\s*=\s*)(?:"([^"<>]*)"|'([^'<>]*)')""", re.IGNORECASE)
_ORIGINALS = ("feedburner:origlink", "pheedo:origlink")
_PUBLISHED = ("pubdate", "published", "issued", "dc:date", "dcterms:issued", "dcterms:created", "dcterms:date",
              "created", "atom:published", "date")  # fmt: skip
_UPDATED = ("updated", "modified", "dcterms:modified", "atom:updated", "lastbuilddate")
_CONTENTS = ("content:encoded", "content", "xhtml:body", "xhtml:div", "atom:content", "fulltext", "body")
_SUMMARIES = ("description", "summary", "atom:summary", "abstract", "dc:description", "excerpt:encoded",
              "itunes:summary", "media:description")  # fmt: skip
_TEXT_CHARS = 200  # a second summary longer than this is the text
_RSS_TITLES = ("title", "atom:title", "dc:title", "media:title", "itunes:title")


class Namer:
    """Names of elements, each worked out once a document. ``own`` is the namespace of the feed's own vocabulary."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._names: dict[str, str] = {}

    def of(self, element: Any) -> str:
        """The name of an element, ``""`` for what is no element (an unresolved entity)."""
        tag = element.tag
        if not isinstance(tag, str):
            return ""
        found = self._names.get(tag)
        if found is None:
            found = self._names[tag] = self._name(tag, element.prefix)
        return found

    def children(self, element: Any) -> dict[str, list[Any]]:
        """The child elements by name."""
        found: dict[str, list[Any]] = {}
        for child in element:
            found.setdefault(self.of(child), []).append(child)
        return found

    def _name(self, tag: str, prefix: str | None) -> str:
        namespace, _brace, local = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
        if not namespace and ":" in local:  # a prefix nobody declared
            prefix, _colon, local = local.rpartition(":")
        if namespace == self._own or (not namespace and not prefix):
            known = ""
        else:
            known = _PREFIXES.get(namespace.lower().rstrip("/#"), (prefix or "").lower() or "other")
        return f"{known}:{local.lower()}" if known else local.lower()


def text(element: Any) -> str:
    """All text in an element."""
    if len(element) == 0:
        return (element.text or "").strip()
    return "".join(element.itertext()).strip()


def first_text(found: dict[str, list[Any]], names: tuple[str, ...]) -> str:
    """The first non-empty text of these elements, in the order of ``names``."""
    for name in names:
        for element in found.get(name, ()):
            if told := text(element):
                return told
    return ""


def markup(element: Any) -> str:
    """What stands in a text element as HTML: escaped, in CDATA, as XHTML, as plain text that says so, or raw."""
    kind = (element.get("type") or "").strip().lower()
    if len(element) == 0:
        inner = (element.text or "").strip()
        if (element.get("mode") or "").strip().lower() == "base64" or kind == "application/octet-stream":
            return _from_base64(inner)
        return escape(inner, quote=False) if kind == "text/plain" else inner
    inner = (element.text or "") + "".join(etree.tostring(child, encoding="unicode") for child in element)
    inner = _TAG.sub(lambda match: _XMLNS.sub("", match.group()), inner).strip()
    first = element[0]
    wraps = (
        len(element) == 1
        and isinstance(first.tag, str)
        and first.tag.endswith("}div")
        and not (first.tail or "").strip()
    )
    if wraps and (start := inner.find(">")) > 0:  # RFC 4287 §3.1.1.3: the div is not part of the content
        end = inner.rfind("</")
        return inner[start + 1 : end].strip() if end > start else ""
    return inner


def _from_base64(told: str) -> str:
    """Text that Atom carries as base64 (RFC 4287 §4.1.3.3); ``""`` for what is none."""
    try:
        return base64.b64decode(told, validate=False).decode("utf-8").strip()
    except ValueError:  # binascii.Error and UnicodeDecodeError are both
        return ""


def title_of(element: Any) -> str:
    """A title as HTML. Atom's plain text titles may hold a literal ``<``: kept; references in them are read."""
    told = markup(element)
    kind = (element.get("type") or "").strip().lower()
    if kind in {"text", "text/plain"} and len(element) == 0:
        return told.replace("<", "&lt;")
    return told


def base_of(element: Any, base: str) -> str:
    """The base of relative addresses at an element by xml:base, read against ``base``; ``""`` where none is set."""
    told = [one.get(BASE) for one in (element, *element.iterancestors()) if one.get(BASE)]
    if not told:
        return ""
    for one in reversed(told):
        base = urls.absolute(base, one) or base
    return base


def language_of(element: Any) -> str:
    """xml:lang at an element."""
    return next((told for one in (element, *element.iterancestors()) if (told := one.get(LANG))), "")


class EntryReader:
    """Reads the entries of one document.

    ``base`` is the feed's base address; ``uses_base`` and ``uses_lang`` tell whether xml:base and xml:lang occur.
    """

    def __init__(self, namer: Namer, *, base: str, language: str | None, uses_base: bool, uses_lang: bool) -> None:
        self._namer = namer
        self._base = base
        self._uses_base = uses_base
        self._uses_lang = uses_lang
        self._dates = dates.DateReader(language)

    def read(self, entry: Any) -> Draft:
        """One item or entry."""
        found = self._namer.children(entry)
        link, linked = self._link(entry, found)
        enclosures = tuple(self._enclosures(found))
        summary, content = self._texts(found)
        image_url, image_alt = self._image(found, enclosures)
        return Draft(
            guid=first_text(found, ("guid", "id", "atom:id")) or entry.get(_RDF_ABOUT, ""),
            link=link or (enclosures[0].url if enclosures else ""),
            base=base_of(linked, self._base) if self._uses_base else "",
            title=next((told for name in _RSS_TITLES for one in found.get(name, ()) if (told := title_of(one))), ""),
            summary=summary,
            content_html=content,
            author=self._author(found),
            published=self.date(found, _PUBLISHED),
            updated=self.date(found, _UPDATED),
            image_url=image_url,
            image_alt=image_alt,
            language=first_text(found, ("dc:language", "language")) or (language_of(entry) if self._uses_lang else ""),
            labels=fields.labels(
                [
                    one.get("label") or one.get("term") or text(one)
                    for name in ("category", "dc:subject", "atom:category")
                    for one in found.get(name, ())
                ]
            ),
            enclosures=enclosures,
        )

    def date(self, found: dict[str, list[Any]], names: tuple[str, ...]) -> dates.ParsedDate | None:
        """The first of these elements that holds a readable date."""
        for name in names:
            for element in found.get(name, ()):
                if (raw := text(element)) and (parsed := self._dates.read(raw)):
                    return parsed
        return None

    def _link(self, entry: Any, found: dict[str, list[Any]]) -> tuple[str, Any]:
        """The address for readers and the element that told it: never Atom's self, edit or enclosure links."""
        for element in (one for name in _ORIGINALS for one in found.get(name, ())):
            if told := text(element):
                return told, element
        alternates = []
        for element in (*found.get("link", ()), *found.get("atom:link", ())):
            href = (element.get("href") or "").strip()
            rel = (element.get("rel") or "alternate").strip().lower()
            if href and rel.rpartition("/")[2] == "alternate":
                alternates.append((href, element))
            elif not href and (told := text(element)):
                return told, element
        if alternates:
            pages = (one for one in alternates if "html" in (one[1].get("type") or "html"))
            return next(pages, alternates[0])
        return _identity_as_link(entry, found)

    def _texts(self, found: dict[str, list[Any]]) -> tuple[str, str]:
        """(summary, full text) as HTML; of two summaries the longer one is the text."""
        content = max((self._html(one) for name in _CONTENTS for one in found.get(name, ())), key=len, default="")
        summaries = [told for name in _SUMMARIES for one in found.get(name, ()) if (told := self._html(one))]
        if len(summaries) > 1 and not content and len(content := max(summaries, key=len)) > _TEXT_CHARS:
            return min(summaries, key=len), content
        return summaries[0] if summaries else "", content

    def _html(self, element: Any) -> str:
        told = markup(element)
        if told and self._uses_base and (base := base_of(element, self._base)):
            return _ADDRESS.sub(lambda match: _joined(match, base), told)
        return told

    def _author(self, found: dict[str, list[Any]]) -> str:
        names = []
        for element in found.get("author", ()):
            inside = self._namer.children(element)
            names.append(first_text(inside, ("name", "atom:name")) if len(element) else text(element))
        if not any(fields.person(name) for name in names):
            names = [text(one) for one in found.get("dc:creator", ())]
        for element in found.get("atom:author", ()) if not any(names) else ():
            names.append(first_text(self._namer.children(element), ("name", "atom:name")))
        if not any(names):
            names = [first_text(found, ("itunes:author", "dc:author", "media:credit"))]
        return fields.people([told for name in names if (told := fields.person(name))])

    def _enclosures(self, found: dict[str, list[Any]]) -> Iterator[Enclosure]:
        for element in found.get("enclosure", ()):
            if one := fields.enclosure(
                element.get("url") or element.get("href") or "", element.get("type") or "", element.get("length")
            ):
                yield one
        for element in (*found.get("link", ()), *found.get("atom:link", ())):
            if (element.get("rel") or "").strip().lower() == "enclosure" and (
                one := fields.enclosure(element.get("href") or "", element.get("type") or "", element.get("length"))
            ):
                yield one

    def _image(self, found: dict[str, list[Any]], enclosures: tuple[Enclosure, ...]) -> tuple[str, str]:
        """(address, description) of the entry's picture: the widest of its media, else one attached."""
        media = [*found.get("media:content", ()), *found.get("media:thumbnail", ())]
        for group in found.get("media:group", ()):
            inside = self._namer.children(group)
            media += [*inside.get("media:content", ()), *inside.get("media:thumbnail", ())]
        best = max(media, key=self._picture_rank, default=None)
        if best is not None and self._picture_rank(best) > _NO_PICTURE:
            about = self._namer.children(best)
            return best.get("url", "").strip(), first_text(about, ("media:description", "media:title", "media:text"))
        attached = next((one.url for one in enclosures if fields.is_image(one.url, one.media_type)), "")
        return attached or self._own_image(found), ""

    def _picture_rank(self, element: Any) -> tuple[int, int]:
        """(kind, width in pixels): pictures before thumbnails, wide ones before narrow ones."""
        kind = (element.get("medium") or element.get("type") or "").strip().lower()
        url = (element.get("url") or "").strip()
        is_thumbnail = self._namer.of(element) == "media:thumbnail"
        if not url or not (is_thumbnail or fields.is_image(url, kind)):
            return _NO_PICTURE
        return (0 if is_thumbnail else 1, _number(element.get("width")))

    def _own_image(self, found: dict[str, list[Any]]) -> str:
        """What publishers write as an item's own image, each in another way."""
        for element in (*found.get("image", ()), *found.get("itunes:image", ()), *found.get("media:image", ())):
            told = element.get("href") or element.get("url") or first_text(self._namer.children(element), ("url",))
            told = told or (text(element) if len(element) == 0 else "")
            if _is_address(told.strip()):
                return told.strip()
        return ""


_NO_PICTURE = (-1, -1)
_RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"


def _identity_as_link(entry: Any, found: dict[str, list[Any]]) -> tuple[str, Any]:
    """An id that is an address stands in for a missing link, unless it says that it is none."""
    for element in found.get("guid", ()):
        told = text(element)
        if (element.get("isPermaLink") or "true").strip().lower() != "false" and _is_address(told):
            return told, element
    for told in (entry.get(_RDF_ABOUT, ""), first_text(found, ("id", "atom:id"))):
        if _is_address(told):
            return told, entry
    return "", entry


def _is_address(told: str) -> bool:
    return told.lower().startswith(("http://", "https://")) and bool(urls.absolute("", told))


def _number(told: str | None) -> int:
    told = (told or "").strip().removesuffix("px")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 7 else 0


def _joined(match: re.Match[str], base: str) -> str:
    told = match[2] if match[2] is not None else match[3]
    try:
        joined = urljoin(base, told.strip())
    except ValueError:  # "http://[broken": left as it is, dropped when it is sanitised
        return match.group()
    return f'{match[1]}"{joined}"'
