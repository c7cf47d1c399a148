"""HTML to plain text with its paragraphs.

Built on libxml2's forgiving push parser: no tree is kept, and depth costs nothing.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

_BLOCK_NAMES = """
address article aside blockquote body br caption center dd details dialog div dl dt fieldset figcaption figure
footer form h1 h2 h3 h4 h5 h6 header hr html legend li main nav ol option p pre section summary table tbody td
tfoot th thead tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_SILENT_NAMES = (
    "script style noscript template iframe object embed svg math textarea select button audio video canvas head"
)
_SILENT = frozenset(_SILENT_NAMES.split())
_UNPARSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SPACE = re.compile(r"[\s\u200b\ufeff]+")
_LOOKS_LIKE_HTML = re.compile(r"<[a-zA-Z!/][^>]*>|&(?:#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z]\w+);")


class _Collector:
    """Target of the push parser: gathers text into paragraphs."""

    def __init__(self) -> None:
        self.paragraphs: list[str] = []
        self._pieces: list[str] = []
        self._silent = 0
        self._breaks = 0

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "br":
            self._breaks += 1
            self._pieces.append(" ")
            if self._breaks > 1:  # two <br> in a row are how many feeds write a paragraph
                self._flush()
        elif tag in _BLOCKS:
            self._flush()

    def end(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _BLOCKS and tag != "br":
            self._flush()

    def data(self, text: str) -> None:
        if self._silent:
            return
        if not text.isspace():
            self._breaks = 0
        self._pieces.append(text)

    def close(self) -> list[str]:
        self._flush()
        return self.paragraphs

    def _flush(self) -> None:
        self._breaks = 0
        text = _SPACE.sub(" ", "".join(self._pieces)).strip()
        self._pieces.clear()
        if text:
            self.paragraphs.append(text)


def paragraphs(html: str) -> tuple[str, ...]:
    """The paragraphs of a fragment or page, white space collapsed, scripts and forms left out."""
    html = _UNPARSABLE.sub("", html)
    if not html.strip():
        return ()
    collector = _Collector()
    target: Any = collector  # a target may leave out what it does not want (comments); the stubs ask for all of it
    parser = etree.HTMLParser(target=target, remove_comments=True, remove_pis=True, no_network=True, huge_tree=False)
    # A wrapping element keeps libxml2 from dropping text that stands before the first tag.
    try:
        parser.feed(f"<div>{html}</div>")
        parser.close()
    except etree.XMLSyntaxError:
        # Nothing but markup in it, or nested past libxml2's limit: what was gathered until then is the text.
        collector.close()
    return tuple(collector.paragraphs)


def to_text(html: str) -> str:
    """Plain text, paragraphs separated by an empty line."""
    return "\n\n".join(paragraphs(html))


def to_line(html: str) -> str:
    """Plain text on one line, for titles and descriptions; text without markup is only stripped."""
    if not _LOOKS_LIKE_HTML.search(html):
        return _SPACE.sub(" ", html).strip()
    return " ".join(paragraphs(html))
