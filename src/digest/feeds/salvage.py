"""Entry by entry: what is left of a feed whose damage no repair of the whole could keep in its place.

A document that is not well-formed is one guess from the first fault to its end. Cut at the openings of its entries,
each piece is a small document of its own, and a fault costs the entry it is in.
"""

from __future__ import annotations

import re
from typing import Any

from digest.feeds import repair, xmltree
from digest.feeds.fields import MAX_ENTRIES
from digest.model.errors import FeedMalformed

# CDATA is not looked at: an unclosed one would hide all entries behind it.
_OPENING = re.compile(r"<(?:[A-Za-z][\w.-]{0,40}:)?(?:item|entry)(?=[\s>/])", re.IGNORECASE)
_CLOSING = re.compile(r"</(?:[A-Za-z][\w.-]{0,40}:)?(?:item|entry)\s*>", re.IGNORECASE)
_END = re.compile(r"</(?:channel|rss|feed|rdf:RDF)\b", re.IGNORECASE)
_DECLARATION = re.compile(r"""\sxmlns:[\w.-]{1,40}\s*=\s*(?:"[^"<>]{0,300}"|'[^'<>]{0,300}')""")
_ASIDE = re.compile(r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)
_TAG = re.compile(r"<(/?)(?:[A-Za-z][\w.-]{0,40}:)?(?:item|entry)(?=[\s>/])", re.IGNORECASE)
_ATOM = "http://www.w3.org/2005/Atom"


def entries(text: str, *, kind: str) -> tuple[Any, list[Any]]:
    """(what stands before the entries as an element, the entry elements); None and [] for what cannot be read."""
    starts = [match.start() for match in _OPENING.finditer(text)][: MAX_ENTRIES + 1]
    if not starts:
        return None, []
    opening, closing = _wrapping(text[: starts[0]], kind)
    head_at = text.find(">") + 1
    head = _read(opening, text[head_at : starts[0]], closing) if 0 < head_at < starts[0] else None
    found = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        root = _read(opening, _trimmed(text[start:end]), closing)
        if root is not None:
            found += [one for one in root.iter() if one is not root and xmltree.local(one) in {"item", "entry"}][:1]
    return head, found


def has_swallowed(text: str) -> bool:
    """Whether a comment or CDATA section that was never closed holds entries: the end of one before any beginning.

    Such a document can be well-formed. A section that quotes a feed begins an entry first.
    """
    firsts = (_TAG.search(match.group()) for match in _ASIDE.finditer(text))
    return any(first is not None and bool(first[1]) for first in firsts)


def openings(text: str) -> int:
    """How many entries the document seems to start, wherever they stand."""
    return sum(1 for _match in _OPENING.finditer(text))


def _wrapping(head: str, kind: str) -> tuple[str, str]:
    """Start and end tag of a root that declares what the document did."""
    declared = " ".join(dict.fromkeys(one.strip() for one in _DECLARATION.findall(head[:20_000])))
    names = {one.partition("=")[0].strip() for one in declared.split(" ") if one.startswith("xmlns:")}
    declared += "".join(
        f' xmlns:{name}="{uri}"' for name, uri in repair.NAMESPACES.items() if f"xmlns:{name}" not in names
    )
    if kind == "atom":
        return f'<feed xmlns="{_ATOM}" {declared}>', "</feed>"
    return f"<rss {declared}>", "</rss>"


def _trimmed(piece: str) -> str:
    """One entry without what follows its end."""
    closings = list(_CLOSING.finditer(piece))
    if closings:
        return piece[: closings[-1].end()]
    end = _END.search(piece)
    return piece[: end.start()] if end else piece


def _read(opening: str, piece: str, closing: str) -> Any:
    try:
        return xmltree.parse(f"{opening}{piece}{closing}").root
    except FeedMalformed:
        return None
