"""The text of a web page without what stands around it, as blocks in reading order.

trafilatura (favouring precision) finds it; JSON-LD's ``articleBody`` stands in where the page's own elements hold far
less; resiliparse, which is twenty times as fast and less exact, stands in where trafilatura finds nothing or took too
long (collection.md §2.2). Lines that are furniture wherever they stand are left out by rules of their own.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from html import escape
from typing import Any

from lxml import etree

from digest.feeds.furniture import is_furniture
from digest.feeds.pagefacts import Page, comparable, text_of
from digest.text import charset, html

#: Below so many characters a page's text counts as not found.
MIN_TEXT_CHARS = 40
#: articleBody replaces a text that has less than this share of its length.
_FAR_LESS = 0.6
_MIN_LINKED_CHARS = 250
_MUCH_MORE, _NEARLY_ALL = 2.0, 0.8
_LONG_LINE, _PARAGRAPH_CHARS = 100, 60
_NO_TEXT = ("script", "style", "svg", "iframe", "template", "link", "meta")
# What trafilatura drops before it looks for the text. Its rules in XPath go over the whole page first; without just the
# first four of these it takes 15.0 ms a page instead of 19.6. The text of two of 490 pages differs, for the better.
_NEVER_TEXT = (
    *("nav", "menu", "aside", "footer", "noscript", "button", "input", "select", "option", "textarea", "datalist"),
    *("dialog", "object", "embed", "audio", "video", "canvas", "map", "area", "source", "track"),
)
_SETTLED_CHARS = 400
_LEFTOVERS = ("figure", "label", "fieldset", "time", *_NEVER_TEXT)
_STATE_HTML = re.compile(r'"\w*(?:content|body|article|text|html)\w*"\s*:\s*"((?:[^"\\]|\\.){300,})"', re.IGNORECASE)
_TAGS = {"head": "h3", "quote": "blockquote", "code": "pre", "item": "li"}


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph (``p``), heading (``h3``), quotation (``blockquote``), list item (``li``) or listing (``pre``)."""

    tag: str
    text: str


def blocks(page: Page, *, quick: bool = False) -> list[Block]:
    """The page's text. ``quick`` leaves trafilatura out, for pages it took too long on. Empty when there is none."""
    state = [node.text for node in page.tree.iter("script") if len(node.text or "") >= _MIN_LINKED_CHARS]
    etree.strip_elements(page.tree, *_NO_TEXT, with_tail=False)  # each reader copies the tree several times
    found = [] if quick else _by_trafilatura(page.tree)
    body = _linked_body(page)
    if size(body) >= _MIN_LINKED_CHARS and size(found) < _FAR_LESS * size(body):
        found = body
    if size(found) < MIN_TEXT_CHARS or size(found) * _MUCH_MORE <= size(prose := _paragraphs(page.tree)):
        other = _by_resiliparse(page.tree)
        if size(found) < MIN_TEXT_CHARS or _has_lost(found, other, prose):
            found = other
    if size(found) < MIN_TEXT_CHARS:
        found = _paragraphs(page.tree)
    if size(found) < MIN_TEXT_CHARS:
        found = _from_state(state)
    return _without_furniture(found, headline=page.headings)


def to_html(found: Iterable[Block]) -> str:
    """The blocks as HTML, items of one list together."""
    out: list[str] = []
    in_list = False
    for block in found:
        is_item = block.tag == "li"
        if is_item != in_list:
            out.append("<ul>\n" if is_item else "</ul>\n")
            in_list = is_item
        out.append(f"<{block.tag}>{escape(block.text, quote=False)}</{block.tag}>\n")
    return "".join(out) + ("</ul>\n" if in_list else "")


def size(found: Iterable[Block]) -> int:
    """Characters of text in blocks."""
    return sum(len(block.text) for block in found)


def _by_trafilatura(tree: Any) -> list[Block]:
    """Its own reading where that settles the matter, else its choice among three, which takes twice as long."""
    lean = copy(tree)
    etree.strip_elements(lean, *_NEVER_TEXT, with_tail=False)
    body = _extracted(lean, fast=True)
    if body is None or not _is_settled(body, size(_paragraphs(lean))):
        body = _extracted(lean, fast=False)
    return [] if body is None else list(_of_body(body))


def _extracted(tree: Any, *, fast: bool) -> Any:
    import trafilatura  # noqa: PLC0415 - half a second to import, needed only for pages

    # It warns of each page without a text; what became of the page we say ourselves.
    logging.getLogger("trafilatura").setLevel(logging.ERROR)
    document = trafilatura.bare_extraction(
        tree, favor_precision=True, include_comments=False, include_tables=True, with_metadata=False, fast=fast
    )
    return getattr(document, "body", None)


def _is_settled(body: Any, prose_chars: int) -> bool:
    """Whether the other two readers would not be believed anyway.

    They have to find more than twice as much, or a text that is short, without paragraphs, or with leftovers of
    controls in it. On 490 pages (collection.md §2.2) three quarters are settled, all with the text of the long way.
    """
    chars = sum(len(text) for text in body.itertext())
    paragraphs = sum(1 for node in body.iter("p") if "".join(node.itertext()).strip())
    return (
        chars >= _SETTLED_CHARS
        and chars >= _NEARLY_ALL * prose_chars
        and paragraphs > 0
        and paragraphs >= sum(1 for _ in body.iter("table"))
        and next(body.iter(*_LEFTOVERS), None) is None
    )


def _of_body(body: Any) -> Iterator[Block]:
    """The blocks of trafilatura's result (TEI-like: p, head, list and item, quote, code, table, lb)."""
    for element in body:
        tag = element.tag if isinstance(element.tag, str) else ""
        if tag == "list":
            for item in element.iter("item"):
                yield from _lines("li", item)
        elif tag == "table":
            for row in element.iter("row"):
                if text := " ".join(" ".join(row.itertext()).split()):
                    yield Block("p", text)
        else:
            yield from _lines(_TAGS.get(tag, "p"), element)
        if tail := " ".join((element.tail or "").split()):
            yield Block("p", tail)


def _lines(tag: str, element: Any) -> Iterator[Block]:
    """An element's text, a block for each line the page breaks it into and each paragraph within it."""
    text: list[str] = []
    for event, node in _walk(element):
        if event == "break":
            text.append("\n")
        else:
            text.append(" ".join(node.split("\n")))
    for line in "".join(text).split("\n"):
        if kept := " ".join(line.split()):
            yield Block(tag, kept)


def _walk(element: Any) -> Iterator[tuple[str, str]]:
    yield "text", element.text or ""
    for child in element:
        is_block = child.tag in {"p", "head", "quote", "list", "item", "row", "lb", "code"}
        if is_block:
            yield "break", ""
        yield from _walk(child)
        if is_block and child.tag != "lb":
            yield "break", ""
        yield "text", child.tail or ""


def _has_lost(found: list[Block], other: list[Block], prose: list[Block]) -> bool:
    """Whether trafilatura lost most of the article, as on pages that break it up with forms, ads and pictures.

    The other reader keeps more than it should on one page in six, so it is believed only when it has twice as much
    and nearly all of that is prose: in long lines, and in the page's own paragraphs. Of 325 pages of collection.md
    §2.2 that is so on 7, and on all of them its text is the better one (worst .64 → .87, best .06 → .93).
    """
    other = [block for block in other if not is_furniture(block.text)]
    whole = size(other)
    if (
        whole < _MUCH_MORE * size(found)
        or size(block for block in other if len(block.text) >= _LONG_LINE) < _NEARLY_ALL * whole
    ):
        return False
    text = "\n".join(block.text for block in prose if len(block.text) >= _PARAGRAPH_CHARS)
    return size(block for block in other if block.text in text) >= _NEARLY_ALL * whole


def _paragraphs(tree: Any) -> list[Block]:
    return [Block("p", text) for node in tree.iter("p") if (text := " ".join(node.text_content().split()))]


def _linked_body(page: Page) -> list[Block]:
    body = text_of(page.linked.get("articleBody"))
    if len(body) < _MIN_LINKED_CHARS:
        return []
    texts = html.paragraphs(body) if "<" in body or "&" in body else body.split("\n")
    return [Block("p", charset.unmojibake(text)) for one in texts if (text := " ".join(one.split()))]


def _from_state(scripts: list[str]) -> list[Block]:
    """The text of a page that its script would have put there: the longest HTML among the data it brought along."""
    longest = ""
    for script in scripts:
        for match in _STATE_HTML.finditer(script):
            longest = max(longest, match.group(1), key=len)
    try:
        state = json.loads(f'"{longest}"', strict=False)
    except ValueError:  # it is a string of JavaScript, not of JSON
        return []
    return [Block("p", text) for text in html.paragraphs(state)]


def _by_resiliparse(tree: Any) -> list[Block]:
    from lxml import html as lxml_html  # noqa: PLC0415 - only where resiliparse has to stand in
    from resiliparse.extract.html2text import extract_plain_text  # noqa: PLC0415

    found = extract_plain_text(
        lxml_html.tostring(tree, encoding="unicode"),
        main_content=True,
        list_bullets=False,
        alt_texts=False,
        comments=False,
        post_meta=False,
    )
    return [Block("p", text) for line in found.split("\n") if (text := " ".join(line.split()))]


def _without_furniture(found: list[Block], *, headline: Iterable[str]) -> list[Block]:
    """The blocks without the headline, by-lines, dates, share bars, pointers to other articles and sign-up boxes."""
    titles = {comparable(line) for line in headline}
    kept = [block for block in found if not (comparable(block.text) in titles or is_furniture(block.text))]
    while kept and kept[-1].tag == "h3":  # a heading over something that was left out
        kept.pop()
    return kept
