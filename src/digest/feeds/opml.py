"""Lists of feeds as OPML (opml.org/spec2), in and out. Pure; the commands `source import` and `export` stand on it.

Feed readers export with unescaped ampersands, missing elements, other spellings of the attributes: what has an
address of a feed is taken, whatever surrounds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lxml import etree

from digest.feeds import detect, fields, repair, xmltree
from digest.feeds.detect import Document
from digest.model.article import Oddity, Outline, ParsedArticle, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import url as urls
from digest.text.sanitise import clean_line

MAX_OUTLINES = 10_000

_FOLDERS = " / "
_FEED_TYPES = frozenset({"rss", "atom", "rdf", "feed", "pie", "rss1", "rss2", "source"})
_SCHEME = re.compile(r"^(?:feed:(?://)?)?(?=https?://)", re.IGNORECASE)
_HINT = "export the list of feeds from your reader once more, as OPML"


def parse(raw: bytes) -> list[Outline]:
    """The feeds in an OPML file, in its order. Raises FeedMalformed with a hint.

    One listed twice comes twice, and addresses are as the file has them: some readers list scripts and queries.
    """
    text, _odd = repair.decode(raw)
    if detect.sniff(text).document is not Document.OPML:
        raise FeedMalformed("this is not an OPML file", hint=_HINT)
    return parse_text(text)[1]


def parse_text(text: str) -> tuple[str, list[Outline]]:
    """(title, feeds) of an OPML document, whose root may stand anywhere in ``text`` or be missing."""
    root = repair.root_at(text)
    at = text.lower().find("<outline")
    whole = repair.isolate(text, root)[0] if root else f"<opml>{text[max(at, 0) :]}</opml>"
    tree = xmltree.parse(whole)
    title = next((told for one in tree.root.iter() if xmltree.local(one) == "title" and (told := _line(one.text))), "")
    found: list[Outline] = []
    for element, topic in _outlines(tree.root):
        attributes = {name.rpartition("}")[2].lower(): value for name, value in element.attrib.items()}
        address = _address(attributes)
        if address and len(found) < MAX_OUTLINES:
            outline = Outline(
                title=_line(attributes.get("title")) or _line(attributes.get("text")),
                feed_url=address,
                home_url=_web(attributes.get("htmlurl")),
                topic=topic or _category(attributes.get("category")),
            )
            found.append(outline)
    return title, found


def as_feed(text: str, *, odd: tuple[Oddity, ...]) -> ParsedFeed:
    """An OPML document as `digest source check` shows it: one entry a feed."""
    title, outlines = parse_text(text)
    entries = tuple(
        ParsedArticle(
            guid=one.feed_url,
            url=urls.absolute("", one.feed_url),
            title=one.title,
            labels=(one.topic,) if one.topic else (),
            position=position,
        )
        for position, one in enumerate(outlines)
    )
    return ParsedFeed(kind="opml", title=title, home_url=None, language=None, entries=entries, warnings=odd)


def write(title: str, outlines: Iterable[Outline]) -> bytes:
    """An OPML 2.0 document; a topic becomes a folder, ``a / b`` one folder within another."""
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = clean_line(title)
    body = etree.SubElement(root, "body")
    folders: dict[tuple[str, ...], Any] = {(): body}
    for one in outlines:
        path: tuple[str, ...] = ()
        for name in filter(None, map(clean_line, one.topic.split(_FOLDERS))):
            parent, path = folders[path], (*path, name)
            if path not in folders:
                folders[path] = etree.SubElement(parent, "outline", text=name, title=name)
        name = clean_line(one.title) or one.feed_url
        attributes = {"type": "rss", "text": name, "title": name, "xmlUrl": clean_line(one.feed_url)}
        if one.home_url:
            attributes["htmlUrl"] = clean_line(one.home_url)
        etree.SubElement(folders[path], "outline", attributes)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)


def _outlines(root: Any) -> Iterable[tuple[Any, str]]:
    """Every outline with the names of the outlines it lies in. Without recursion: nesting is the file's to choose."""
    pending: list[tuple[Any, tuple[str, ...]]] = [(root, ())]
    while pending:
        element, path = pending.pop()
        if xmltree.local(element) == "outline":
            yield element, _FOLDERS.join(path)
            name = _line(element.get("text")) or _line(element.get("title"))
            if name and not _address({key.lower(): value for key, value in element.attrib.items()}):
                path = (*path, name)
        pending += [(child, path) for child in reversed(element)]


def _address(attributes: dict[str, str]) -> str:
    told = attributes.get("xmlurl", "").strip()
    if not told and attributes.get("type", "").strip().lower() in _FEED_TYPES:
        told = attributes.get("url", "").strip()
    return _SCHEME.sub("", told)


def _web(told: str | None) -> str:
    told = (told or "").strip()
    return told if told.lower().startswith(("http://", "https://")) else ""


def _category(told: str | None) -> str:
    """OPML's own categories: ``/Boston/Weather,/News``; the first one."""
    first = (told or "").split(",")[0].strip("/ ")
    return _FOLDERS.join(part for name in first.split("/") if (part := _line(name)))


def _line(told: str | None) -> str:
    return clean_line(fields.line(told or ""))[:500]
