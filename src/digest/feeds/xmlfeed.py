"""RSS in all its versions, RDF and Atom (collection.md §2.1).

Read from libxml2's tree by ourselves (decision 0022). Where a damaged document gives fewer entries than it opens, its
entries are read one by one, and the fuller result wins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from digest.feeds import elements, fields, repair, salvage, xmltree
from digest.feeds.elements import EntryReader, Namer
from digest.feeds.fields import MAX_ENTRIES, Draft, newest
from digest.feeds.xmltree import Tree
from digest.model.article import Oddity, ParsedFeed
from digest.model.errors import FeedMalformed
from digest.text import url as urls

_PERIOD_S = {"hourly": 3600, "daily": 86400, "weekly": 604800, "monthly": 2592000, "yearly": 31536000}
_ENTRIES = frozenset({"item", "entry"})


@dataclass(slots=True)
class _Head:
    """What a feed says of itself; links absolute or ``""``."""

    title: str = ""
    home: str = ""
    hub: str = ""
    itself: str = ""
    language: str = ""
    ttl_s: int | None = None


def parse(text: str, *, kind: str, url: str, odd: tuple[Oddity, ...] = ()) -> ParsedFeed:
    """The feed in ``text`` (which starts at its root element), read at address ``url``.

    ``odd`` is what was odd about the document until now. Raises FeedMalformed when nothing can be read.
    """
    tree, found = _read(text, kind)
    namer = Namer(_namespace(found[0]) if found else _namespace(tree.root))
    head = _head(tree, namer, url=url)
    base = head.home or url
    reader = EntryReader(
        namer,
        base=base,
        language=head.language or None,
        uses_base="xml:base" in tree.text,
        uses_lang="xml:lang" in tree.text,
    )
    drafts = [reader.read(one) for one in found]
    if not tree.is_whole:  # a piece of a damaged entry is none
        drafts = [one for one in drafts if one.title or one.link or one.summary or one.content_html]
    expected = len(found) if tree.is_whole else max(len(found), repair.openings(tree.text))
    return _assemble(drafts, head, kind=kind, base=base, odd=odd, expected=expected)


def _read(text: str, kind: str) -> tuple[Tree, list[Any]]:
    """The document and its entries, the whole one or piece by piece."""
    try:
        tree = xmltree.parse(text)
    except FeedMalformed:
        head, found = salvage.entries(text, kind=kind)
        if not found:
            raise
        return Tree(head if head is not None else found[0].getroottree().getroot(), text, is_whole=False), found
    found = _entries(tree)
    seem = salvage.openings(text)
    if len(found) < seem and not salvage.has_swallowed(text):
        seem = len(found) if tree.is_whole else repair.openings(text)  # the others are quoted
    if len(found) >= min(seem, fields.MAX_ENTRIES):
        return tree, found
    _head, pieces = salvage.entries(text, kind=kind)
    if len(pieces) <= len(found):
        return tree, found
    return replace(tree, is_whole=False), pieces


def _entries(tree: Tree) -> list[Any]:
    """The items: children of the channel or the root; in a damaged document wherever they ended up."""
    if tree.is_whole:
        parents = [tree.root, *(child for child in tree.root if xmltree.local(child) == "channel")]
        direct = [child for parent in parents for child in parent if xmltree.local(child) in _ENTRIES]
        if direct:
            return direct
    return [one for one in tree.root.iter() if xmltree.local(one) in _ENTRIES and one is not tree.root]


def _head(tree: Tree, namer: Namer, *, url: str) -> _Head:
    found = namer.children(tree.root)
    for channel in found.get("channel", ()):
        for name, inside in namer.children(channel).items():
            found.setdefault(name, []).extend(inside)
    head = _Head(
        title=next((told for one in found.get("title", ()) if (told := elements.title_of(one))), ""),
        language=elements.first_text(found, ("language", "dc:language")) or tree.root.get(elements.LANG, ""),
        ttl_s=_ttl_s(found),
    )
    start = elements.base_of(tree.root, url) or url
    links = [*found.get("link", ()), *found.get("atom:link", ())]
    for link in links:
        rel = (link.get("rel") or "alternate").strip().lower()
        told = urls.absolute(start, (link.get("href") or "").strip() or elements.text(link))
        if rel == "hub":
            head.hub = head.hub or told
        elif rel == "self":
            head.itself = head.itself or told
        elif rel == "alternate" and "html" in (link.get("type") or "html"):
            head.home = head.home or told
    if not head.home and "xml:base" in tree.text:
        head.home = elements.base_of(tree.root, url)
    return head


def _ttl_s(found: dict[str, list[Any]]) -> int | None:
    """The feed's wish, in seconds: RSS 2.0's ttl is in minutes; the syndication module names a period."""
    ttl = elements.first_text(found, ("ttl",))
    if ttl.isascii() and ttl.isdigit() and len(ttl) <= 6:
        return int(ttl) * 60 or None
    length = _PERIOD_S.get(elements.first_text(found, ("sy:updateperiod",)).lower())
    if length is None:
        return None
    times = elements.first_text(found, ("sy:updatefrequency",))
    return length // max(1, int(times) if times.isascii() and times.isdigit() and len(times) <= 4 else 1)


def _assemble(
    drafts: list[Draft], head: _Head, *, kind: str, base: str, odd: tuple[Oddity, ...], expected: int
) -> ParsedFeed:
    kept = newest(drafts)
    language = head.language or None
    entries = tuple(one.finish(base=base, language=language, position=i) for i, one in enumerate(kept))
    warnings = list(odd)
    if len(drafts) < expected:
        warnings.append(Oddity("entries-lost", f"{expected - len(drafts)} of {expected} entries could not be read"))
    if len(kept) < len(drafts):
        warnings.append(Oddity("too-many-entries", f"only the newest {MAX_ENTRIES} of {len(drafts)} entries were kept"))
    undated = sum(entry.published_at is None for entry in entries)
    if undated:
        warnings.append(Oddity("no-date", f"{undated} of {len(entries)} entries have no date"))
    return ParsedFeed(
        kind=kind,
        title=fields.line(head.title),
        home_url=head.home or None,
        language=language,
        entries=entries,
        warnings=tuple(warnings),
        ttl_s=head.ttl_s,
        hub_url=head.hub or None,
        self_url=head.itself or None,
    )


def _namespace(element: Any) -> str:
    tag: str = element.tag
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""
