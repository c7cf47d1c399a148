"""Repaired text to a tree of elements, by libxml2 (collection.md F14).

No DOCTYPE ever gets here, nothing is expanded or fetched, and libxml2's own limits on depth and size stay on. A
document is read as it is first; only one that is not well-formed is repaired, then mended, then read as far as it
goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lxml import etree

from digest.feeds import mend, repair
from digest.model.errors import FeedMalformed

_DOCTYPE = re.compile(r"<!DOCTYPE[^\[<>]{0,2000}(?:\[[^\]]*\]\s*)?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed document. ``text`` is what was parsed at last; ``is_whole`` when nothing had to be guessed."""

    root: Any
    text: str
    is_whole: bool


def parse(text: str) -> Tree:
    """The tree of a document that starts at its root element. Raises FeedMalformed when nothing is left of it."""
    text = repair.readable_numbers(text)
    for step in _STEPS:
        text = step(text)
        if (root := _read(text, recover=False)) is not None:
            return Tree(root, text, is_whole=True)
    root = _read(text, recover=True)
    if root is None:
        raise FeedMalformed(
            "the feed is too damaged to read", hint="ask the publisher to check it with a feed validator"
        )
    return Tree(root, text, is_whole=False)


def local(element: Any) -> str:
    """An element's name without namespace and prefix, in lower case; ``""`` for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2].rpartition(":")[2].lower() if isinstance(tag, str) else ""


def _as_it_is(text: str) -> str:
    return text


def _repaired(text: str) -> str:
    return repair.repair(_DOCTYPE.sub("", text))


_STEPS: tuple[Callable[[str], str], ...] = (_as_it_is, _repaired, mend.mend)


def _read(text: str, *, recover: bool) -> Any:
    parser = etree.XMLParser(
        recover=recover,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        return None
