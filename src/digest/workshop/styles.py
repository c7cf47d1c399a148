"""Style sheets and style attributes as data, with lines. Built on tinycss2, which reads by CSS Syntax Level 3.

Rules: nothing here knows mail clients. Property names and values are lower case but for what stands in quotes or in
``url()``. Jinja in a sheet's source is blanked, never run: lines hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import tinycss2
from cssselect import SelectorError
from lxml.cssselect import CSSSelector
from lxml.etree import _Element

_JINJA = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
_LITERAL = re.compile(r"\{\{-?\s*'([^']*)'\s*-?\}\}")
_NESTED = frozenset({"media", "supports", "layer", "container"})


@dataclass(frozen=True, slots=True)
class Declaration:
    """``name: value``; ``line`` counts from 1 within what was read."""

    name: str
    value: str
    is_important: bool
    line: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A selector with its declarations. ``within`` are the preludes around it, outermost first: ``@media print``."""

    selector: str
    declarations: tuple[Declaration, ...]
    within: tuple[str, ...]
    line: int

    def is_within(self, condition: str) -> bool:
        """Whether some prelude around it holds these words."""
        return any(condition in one for one in self.within)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A style sheet read: its rules, the names and lines of its at-rules, and what could not be read."""

    rules: tuple[Rule, ...]
    at_rules: tuple[tuple[str, int], ...]
    errors: tuple[tuple[str, int], ...]


@lru_cache(maxsize=4096)  # the cells of a mail share a few dozen style attributes
def declarations(style: str) -> tuple[Declaration, ...]:
    """The declarations of a style attribute; what cannot be read is left out."""
    found = tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True)
    return tuple(_declaration(node) for node in found if node.type == "declaration")


@lru_cache(maxsize=64)
def read(css: str) -> Sheet:
    """A style sheet."""
    rules: list[Rule] = []
    at_rules: list[tuple[str, int]] = []
    errors: list[tuple[str, int]] = []
    nodes = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    _walk(nodes, (), rules, at_rules, errors)
    return Sheet(tuple(rules), tuple(at_rules), tuple(errors))


def blanked(source: str) -> str:
    """A template's source with Jinja's tags blanked, so that it reads as CSS with every line in its place.

    An expression becomes a word, for it stands where a value does.
    """
    return _JINJA.sub(_blank, source)


def _blank(match: re.Match[str]) -> str:
    text = match[0]
    literal = _LITERAL.fullmatch(text)
    filler = literal[1] if literal else "x" if text.startswith("{{") and "\n" not in text else ""
    return filler + "".join("\n" if character == "\n" else " " for character in text[len(filler) :])


def _walk(
    nodes: list[tinycss2.ast.Node],
    within: tuple[str, ...],
    rules: list[Rule],
    at_rules: list[tuple[str, int]],
    errors: list[tuple[str, int]],
) -> None:
    for node in nodes:
        if node.type == "error":
            errors.append((node.message, node.source_line))
        elif node.type == "qualified-rule":
            inside = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
            errors += [(one.message, one.source_line) for one in inside if one.type == "error"]
            own = tuple(_declaration(one) for one in inside if one.type == "declaration")
            rules.append(Rule(tinycss2.serialize(node.prelude).strip(), own, within, node.source_line))
        elif node.type == "at-rule":
            prelude = f"@{node.lower_at_keyword} {tinycss2.serialize(node.prelude).strip()}".strip()
            at_rules.append((prelude, node.source_line))
            if node.content is not None and node.lower_at_keyword in _NESTED:
                deeper = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                _walk(deeper, (*within, prelude.lower()), rules, at_rules, errors)


def _declaration(node: tinycss2.ast.Declaration) -> Declaration:
    value = "".join(_folded(token) for token in node.value).strip()
    return Declaration(node.lower_name, value, node.important, node.source_line)


def _folded(token: tinycss2.ast.Node) -> str:
    text: str = token.serialize()
    return text if token.type in {"string", "url"} or text[:4].lower() == "url(" else text.lower()


@lru_cache(maxsize=512)
def _compiled(selector: str) -> CSSSelector | None:
    try:
        return CSSSelector(selector, translator="html")
    except (SelectorError, ValueError):
        return None  # a pseudo-element, or something lxml cannot ask for: then it is about no element


def matched(root: _Element, selector: str) -> Iterator[_Element]:
    """The elements of a tree that a selector is about; none for one that cannot be read."""
    compiled = _compiled(selector)
    if compiled is not None:
        yield from cast("list[_Element]", compiled(root))  # a selector finds elements and nothing else


def specificity(selector: str) -> tuple[int, int, int]:
    """Ids, classes and names of a single selector, counted roughly: enough to order what one sheet says."""
    ids = selector.count("#")
    classes = len(re.findall(r"[.\[]|:(?!:)", selector))
    names = len(re.findall(r"(?:^|[\s>+~])[a-zA-Z]", selector))
    return ids, classes, names
