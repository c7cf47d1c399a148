"""Elements that were never closed, and markup that was never escaped, put right before they swallow what follows.

libxml2 lets any end tag close the innermost open element: one unclosed ``<p>`` in a description nests all later
items into the first one. So this reads the document once, as tokens, with what feeds mean: an item ends where the
next one starts, a title ends where the next element of the feed's own vocabulary starts, and what stands inside a
description is text.
"""

from __future__ import annotations

import re

from digest.feeds import repair

_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<(?P<end>/?)(?P<name>[A-Za-z][\w.:-]{0,60})(?P<rest>[^<>]{0,20000})>",
    re.DOTALL,
)
_ENTRIES = frozenset({"item", "entry"})
_CONTAINERS = frozenset({"channel", "rss", "feed", "rdf:rdf", "rdf"})
_PLAIN_NAMES = """
title link guid pubdate author category comments published updated issued modified created id name uri email
dc:creator dc:date dc:subject dc:title dc:identifier dcterms:created dcterms:modified dcterms:issued
slash:comments wfw:commentrss wfw:comment feedburner:origlink media:title media:credit media:keywords
itunes:author itunes:duration itunes:explicit itunes:subtitle itunes:keywords georss:point lastbuilddate
"""
_RICH_NAMES = (
    "description content:encoded summary content excerpt:encoded itunes:summary media:description dc:description"
)
_PLAIN = frozenset(_PLAIN_NAMES.split())
_RICH = frozenset(_RICH_NAMES.split())
# Names that HTML does not have: within a description they can only be the next element of the feed.
_NOT_HTML = (_PLAIN | _RICH | {"enclosure", "media:thumbnail", "media:content", "media:group"}) - {
    "title", "link", "name", "summary", "content",
}  # fmt: skip


def mend(feed: str) -> str:
    """``feed`` with its items and text elements closed, and raw markup inside text elements as CDATA."""
    return _Mender(feed).mend()


class _Mender:
    """One pass over the tokens. ``_leaf`` is the open text element, ``_entry`` the open item's name."""

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._out: list[str] = []
        self._copied = 0  # up to here the document is in _out
        self._leaf = ""
        self._leaf_start = 0
        self._has_markup = False
        self._has_cdata = False
        self._entry = ""

    def mend(self) -> str:
        for token in _TOKEN.finditer(self._feed):
            name = token["name"]
            if name is None:
                self._has_cdata = self._has_cdata or token.group().startswith("<![CDATA[")
            elif token["end"]:
                self._end(token, name)
            else:
                self._start(token, name)
        if self._leaf:
            self._close_leaf(len(self._feed), missing=True)
        self._copy(len(self._feed))
        return "".join(self._out)

    def _start(self, token: re.Match[str], name: str) -> None:
        lowered = name.lower()
        if self._leaf and self._ends_leaf(lowered, token["rest"]):
            self._close_leaf(token.start(), missing=True)
        if self._leaf:
            self._has_markup = True
            return
        is_empty = token["rest"].endswith("/")
        if lowered.rpartition(":")[2] in _ENTRIES:
            if self._entry:
                self._insert(token.start(), f"</{self._entry}>")
            self._entry = "" if is_empty else name
        elif (lowered in _PLAIN or lowered in _RICH) and not self._is_atom_person(lowered, token.end()):
            self._quote_attributes(token)
            if not is_empty:
                self._leaf, self._leaf_start = name, token.end()
                self._has_markup = self._has_cdata = False
            return
        self._quote_attributes(token)

    def _end(self, token: re.Match[str], name: str) -> None:
        lowered = name.lower()
        local = lowered.rpartition(":")[2]
        if self._leaf:
            if name == self._leaf:
                self._close_leaf(token.start(), missing=False)
                return
            if local not in _ENTRIES and lowered not in _CONTAINERS and lowered not in _NOT_HTML:
                self._has_markup = True
                return
            self._close_leaf(token.start(), missing=True)
        if local in _ENTRIES:
            if not self._entry:  # an item that was never opened
                self._drop(token)
            self._entry = ""
        elif lowered in _CONTAINERS and self._entry:
            self._insert(token.start(), f"</{self._entry}>")
            self._entry = ""

    def _ends_leaf(self, lowered: str, rest: str) -> bool:
        """Whether this start tag can only mean that the open text element was never closed."""
        if lowered.rpartition(":")[2] in _ENTRIES or lowered in _NOT_HTML:
            return True
        if self._leaf.lower() in _PLAIN:
            return lowered in _PLAIN or lowered in _RICH
        return lowered in {"title", "link"} and not rest.strip()

    def _is_atom_person(self, lowered: str, at: int) -> bool:
        """``<author><name>``: an element around others, where RSS has a text."""
        following = self._feed[at : at + 200].lstrip()
        return lowered == "author" and following.startswith("<") and not following.startswith(("<!", "</"))

    def _close_leaf(self, at: int, *, missing: bool) -> None:
        """Finish the open text element, whose text ends at ``at``."""
        text = self._feed[self._leaf_start : at]
        if self._has_markup and not self._has_cdata:
            self._copy(self._leaf_start)
            self._out.append(f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>")
            self._copied = at
        if missing:
            self._insert(at, f"</{self._leaf}>")
        self._leaf = ""

    def _quote_attributes(self, token: re.Match[str]) -> None:
        if "=" in token["rest"] and (tag := repair.quoted(token.group())) != token.group():
            self._copy(token.start())
            self._out.append(tag)
            self._copied = token.end()

    def _drop(self, token: re.Match[str]) -> None:
        self._copy(token.start())
        self._copied = token.end()

    def _insert(self, at: int, text: str) -> None:
        self._copy(at)
        self._out.append(text)

    def _copy(self, until: int) -> None:
        if until > self._copied:
            self._out.append(self._feed[self._copied : until])
            self._copied = until
