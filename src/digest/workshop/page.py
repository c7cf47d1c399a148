"""One mail's HTML as a tree that knows where each element comes from, with its styles read once for all checks.

Rules: the tree is that of the mapped HTML, whose literal tags carry ``data-src="template:line"``; an element without
one has the place of the nearest above it. Nothing here judges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from lxml import html as lxml_html
from lxml.etree import ParserError

from digest.workshop import styles
from digest.workshop.mail import Mail
from digest.workshop.styles import Declaration, Rule, Sheet

#: What is inlined: the style sheet, and what a theme or an operator adds to it.
SHEETS = ("email/theme.css", "email/look.css")
THEME_FILE = "email/theme.toml"
SOURCE = "data-src"
Element = Any  # lxml's stubs know no HtmlElement with text, attributes and selectors at once
Place = tuple[str | None, int | None]

_INCLUDED = re.compile(r"\{%-?\s*include\s+[\"']([^\"']+)[\"']")
_KEPT = re.compile(r"<style\b[^>]*\bdata-css-inline")
_VARIABLE = re.compile(r"(?<![\w-])color:\s*var\(--([\w-]+)\)")
_TABLE = re.compile(r"\s*\[([\w-]+)\]")
_ZERO = re.compile(r"0(?:[a-z%]*)(?:\s+0[a-z%]*)*")


class Page:
    """A mail's HTML, read once."""

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.root: Element = tree_of(mail.mapped)
        self.elements: tuple[Element, ...] = tuple(self.root.iter("*"))

    @cached_property
    def body(self) -> Element:
        """The body; the root where there is none."""
        found = self.root.find("body")
        return self.root if found is None else found

    @cached_property
    def visible(self) -> tuple[Element, ...]:
        """The elements of the body that readers may see, in order: not those that are hidden, nor what is in them."""
        return tuple(_visible(self.body))

    @cached_property
    def hidden_from_word(self) -> frozenset[int]:
        """The elements between ``<!--[if !mso]>`` and its end, which Outlook on Windows does not get."""
        found: set[int] = set()
        is_within = False
        for one in self.root.iter():
            if isinstance(one.tag, str):
                if is_within:
                    found.add(id(one))
            elif (one.text or "").lstrip().startswith("[if !mso]"):
                is_within = True
            elif "[endif]" in (one.text or ""):
                is_within = False
        return frozenset(found)

    @cached_property
    def kept(self) -> tuple[tuple[Element, Sheet], ...]:
        """The style elements that stay in the mail, read."""
        return tuple((one, styles.read(one.text or "")) for one in self.root.iter("style"))

    @cached_property
    def draft(self) -> Element:
        """The tree of the HTML before styles were inlined, which drops what nobody could load."""
        return tree_of(self.mail.draft)

    @cached_property
    def _kept_places(self) -> dict[int, Place]:
        """Style element → its place, in the order that templates write them: no mark is put on style elements."""
        places = [
            (name, source.count("\n", 0, found.start()) + 1)
            for name, source in self.mail.sources.items()
            if name.endswith(".html")
            for found in _KEPT.finditer(source)
        ]
        return {id(one): place for (one, _), place in zip(self.kept, places, strict=False)}

    @cached_property
    def sheets(self) -> tuple[tuple[str, Sheet], ...]:
        """The style sheets that were inlined, as their templates write them, in their order."""
        sources = [(name, self.mail.sources[name]) for name in SHEETS if name in self.mail.sources]
        return tuple((name, styles.read(styles.blanked(source))) for name, source in sources)

    def place(self, element: Element) -> Place:
        """Template and line of an element."""
        found = self._kept_places.get(id(element)) if element.tag == "style" else None
        return found or place_of(element)

    def place_of_declaration(self, element: Element, name: str) -> Place:
        """Where a declaration of a style attribute was written: the theme's sheet, else the element's own place.

        A rule of the sheet that is about the element and names the property is taken; of several the last.
        """
        found: Place | None = None
        for sheet_name, sheet in self.sheets:
            for rule in sheet.rules:
                lines = [one.line for one in rule.declarations if _means(one.name, name)]
                if lines and not rule.within and self._is_about(rule, element):
                    found = sheet_name, lines[-1]
        return found or place_of(element)

    def place_of_colour(self, element: Element, table: str) -> Place:
        """Where an element's colour is set: the line of ``[table]`` in theme.toml, if the sheet takes it from there."""
        template, line = self.place_of_declaration(element, "color")
        rows = self.mail.sources.get(template or "", "").splitlines()
        named = _VARIABLE.search(rows[line - 1]) if line and line <= len(rows) else None
        found = self.place_in_theme(table, named[1]) if named else (None, None)
        return found if found[0] else (template, line)

    def place_in_theme(self, table: str, name: str) -> Place:
        """The line of ``name`` in ``[table]`` of the theme's file, if that file sets it."""
        inside = ""
        for number, row in enumerate(self.mail.sources.get(THEME_FILE, "").splitlines(), start=1):
            header = _TABLE.match(row)
            inside = header[1] if header else inside
            if inside == table and re.match(rf"\s*{re.escape(name)}\s*=", row):
                return THEME_FILE, number
        return None, None

    def place_in_sheet(self, style: Element, *words: str, line: int) -> Place:
        """Where a kept style element says something: the line of its template with most of ``words``, the first such.

        Loops and conditions move lines, so the template's own text is looked at; where no word is found in it (an
        expression wrote them) the ``line`` of the rendered sheet is counted from the element's.
        """
        template, first = self.place(style)
        if template is None or first is None:
            return template, first
        inside = list(self._lines_of_sheet(template, first))
        scores = [sum(word in text for word in words) for _, text in inside]
        best = max(scores, default=0)
        return inside[scores.index(best)][0] if best else (template, first + line - 1)

    def _lines_of_sheet(self, template: str, first: int) -> Iterator[tuple[Place, str]]:
        """Place and text of each line that a style element is made of, included files too."""
        source = self.mail.sources.get(template, "")
        for number, text in enumerate(source.splitlines()[first - 1 :], start=first):
            yield (template, number), text
            for name in _INCLUDED.findall(text):
                included = self.mail.sources.get(name, "").splitlines()
                yield from (((name, row), one) for row, one in enumerate(included, start=1))
            if "</style" in text:
                return

    def _is_about(self, rule: Rule, element: Element) -> bool:
        if rule.selector not in self._matches:
            self._matches[rule.selector] = frozenset(map(id, styles.matched(self.root, rule.selector)))
        return id(element) in self._matches[rule.selector]

    @cached_property
    def _matches(self) -> dict[str, frozenset[int]]:
        return {}


def tree_of(html: str) -> Element:
    """The tree of a document; of one that says nothing, an empty body."""
    try:
        return lxml_html.document_fromstring(html)
    except ParserError:
        return lxml_html.document_fromstring("<html><head></head><body></body></html>")


def place_of(element: Element) -> Place:
    """Template and line of an element, from its mark or the nearest above."""
    while element is not None:
        mark = element.get(SOURCE)
        if mark:
            return split_mark(mark)
        element = element.getparent()
    return None, None


def split_mark(mark: str) -> Place:
    """``email/layout.html:36`` as its two parts."""
    template, _, line = mark.rpartition(":")
    return (template, int(line)) if line.isdigit() else (mark, None)


def inlined(element: Element) -> tuple[Declaration, ...]:
    """The declarations of an element's style attribute."""
    style = element.get("style")
    return styles.declarations(style) if style else ()


def value_of(element: Element, name: str) -> str:
    """The value of a property in an element's style attribute, the last one said; ``""`` where there is none."""
    return next((one.value for one in reversed(inlined(element)) if one.name == name), "")


def selector_of(element: Element) -> str:
    """A CSS selector that leads to an element, short and unambiguous: ``body > div > table:nth-of-type(2)``."""
    steps = []
    while element is not None and element.tag not in {"html", "body"}:
        above = element.getparent()
        alike = [one for one in above if one.tag == element.tag] if above is not None else [element]
        position = f":nth-of-type({alike.index(element) + 1})" if len(alike) > 1 else ""
        steps.append(f"{element.tag}{position}")
        element = above
    return " > ".join(["body", *reversed(steps)])


def text_of(element: Element) -> str:
    """All text of an element, white space collapsed, without the breaks `soften` puts in."""
    return " ".join("".join(element.itertext()).replace("\u200b", "").split())


def is_zero(value: str) -> bool:
    """Whether a CSS value is nothing but noughts."""
    return _ZERO.fullmatch(value) is not None


def is_hidden(element: Element) -> bool:
    """Whether an element says of itself that nobody sees it."""
    if element.get("hidden") is not None:
        return True
    said = {one.name: one.value for one in inlined(element)}
    return (
        said.get("display") == "none"
        or said.get("visibility") == "hidden"
        or said.get("mso-hide") == "all"
        or said.get("opacity") == "0"
        or said.get("font-size", "x") in {"0", "0px", "1px"}
    )


def _visible(element: Element) -> Iterator[Element]:
    if not isinstance(element.tag, str) or element.tag in {"style", "script", "title"} or is_hidden(element):
        return
    yield element
    for below in element:
        yield from _visible(below)


def _means(written: str, asked: str) -> bool:
    """Whether a declaration of ``written`` sets ``asked``: the same, or its shorthand."""
    return written == asked or asked.startswith(f"{written}-") or written.startswith(f"{asked}-")
