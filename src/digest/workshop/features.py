"""Which features of the table of facts a mail uses, and where.

Rules: nothing is judged here. The names are those of the table. A property stands for itself by the name
``css-<property>`` where the table has it; what is written otherwise is in the small tables below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from digest.workshop.facts import table
from digest.workshop.page import Element, Page, Place, inlined
from digest.workshop.styles import Declaration, Rule

_ELEMENTS = {
    "html-lists": "ul ol dl",
    "html-h1-h6": "h1 h2 h3 h4 h5 h6",
    "html-semantics": "article aside details figcaption figure footer header main mark nav section summary time",
    "html-image-maps": "map",
}
_PLAIN_ELEMENTS = (
    "abbr acronym address audio base bdi blockquote code del dfn dialog div form hr img link marquee meter object p "
    "picture pre progress rp rt ruby select small span strike strong svg table textarea video wbr"
)
_ATTRIBUTES = (
    "align aria-describedby aria-hidden aria-label aria-labelledby aria-live background cellpadding cellspacing dir "
    "height hidden lang required role target valign width"
)
_PROPERTIES = {
    "gap": "css-gap",
    "row-gap": "css-gap",
    "column-gap": "css-gap",
    "left": "css-left-right-top-bottom",
    "right": "css-left-right-top-bottom",
    "top": "css-left-right-top-bottom",
    "bottom": "css-left-right-top-bottom",
    "columns": "css-column-layout-properties",
    "column-width": "css-column-layout-properties",
    "margin-inline-start": "css-margin-inline-start-end",
    "margin-inline-end": "css-margin-inline-start-end",
    "padding-inline-start": "css-padding-inline-start-end",
    "padding-inline-end": "css-padding-inline-start-end",
}
_LONGHANDS = ("padding", "margin", "border", "grid-template", "background", "outline")
_FUNCTIONS = {
    "calc(": "css-unit-calc",
    "clamp(": "css-function-clamp",
    "max(": "css-function-max",
    "min(": "css-function-min",
    "light-dark(": "css-function-light-dark",
    "linear-gradient(": "css-linear-gradient",
    "radial-gradient(": "css-radial-gradient",
    "conic-gradient(": "css-conic-gradient",
    "rgba(": "css-rgba",
    "rgb(": "css-rgb",
    "var(": "css-variables",
    "oklch(": "css-modern-color",
    "oklab(": "css-modern-color",
    "color-mix(": "css-modern-color",
}
_UNITS = re.compile(r"(?<![\w#-])-?(?:\d+\.?\d*|\.\d+)(ch|cm|em|ex|in|mm|pc|pt|rem|vh|vmax|vmin|vw)(?![\w-])")
_PSEUDO = re.compile(r"(::?)([a-z-]+)")
_AT_RULES = {"@font-face": "css-at-font-face", "@import": "css-at-import", "@keyframes": "css-at-keyframes"}
_MEDIA = {
    "prefers-color-scheme": "css-at-media-prefers-color-scheme",
    "prefers-reduced-motion": "css-at-media-prefers-reduced-motion",
    "hover": "css-at-media-hover",
    "orientation": "css-at-media-orientation",
    "device-pixel-ratio": "css-at-media-device-pixel-ratio",
}
_FORMATS = {"svg": "svg", "webp": "webp", "avif": "avif", "bmp": "bmp", "ico": "ico", "tif": "tiff", "tiff": "tiff"}
_QUOTED = re.compile(r"url\(\s*(?:\"[^\"]*\"|'[^']*'|[^)]*)\s*\)|\"[^\"]*\"|'[^']*'")


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a feature: in an element, or in a kept style sheet, then ``rule`` is the rule it is in."""

    feature: str
    place: Place
    element: Element
    declaration: Declaration | None = None
    rule: Rule | None = None


def uses(page: Page) -> Iterator[Use]:
    """Every use of every feature the table knows, in the order of the mail."""
    for element in page.elements:
        for feature in _of_element(element):
            yield Use(feature, page.place(element), element)
        for declaration in inlined(element):
            for feature in of_declaration(declaration.name, declaration.value):
                yield Use(feature, (None, None), element, declaration)
    for element, sheet in page.kept:
        yield Use("html-style", page.place(element), element)
        for rule in sheet.rules:
            yield from _of_rule(page, element, rule)
        for prelude, line in sheet.at_rules:
            for feature in _of_at_rule(prelude.lower()):
                yield Use(feature, page.place_in_sheet(element, prelude, line=line), element)


@lru_cache(maxsize=4096)
def of_declaration(name: str, value: str) -> tuple[str, ...]:
    """The features a declaration uses."""
    found = [_PROPERTIES.get(name, f"css-{name}")]
    found += [f"css-{short}" for short in _LONGHANDS if name.startswith(f"{short}-") and found[0] not in table()]
    bare = _QUOTED.sub(" ", value)
    if name == "display":
        found += [f"css-display-{value.removeprefix('inline-')}"]
    if "!important" in bare:
        found.append("css-important")
    found += [feature for words, feature in _FUNCTIONS.items() if re.search(rf"(?<![\w-]){re.escape(words)}", bare)]
    found += [f"css-unit-{unit}" for unit in _UNITS.findall(bare)]
    return tuple(feature for feature in dict.fromkeys(found) if feature in table())


def _of_element(element: Element) -> Iterator[str]:
    yield from _by_name().get(element.tag, ())
    yield from (f"html-{name}" for name in element.attrib if name in _attributes())
    if element.tag == "input":
        yield f"html-input-{element.get('type', 'text')}"
    if element.tag == "button":
        yield f"html-button-{element.get('type', 'submit')}"
    if element.get("srcset"):
        yield "html-srcset"
    if element.get("loading"):
        yield "html-loading-attribute"
    if element.tag == "img":
        yield from _of_picture(element.get("src", ""))
    if element.tag == "meta" and element.get("name") == "color-scheme":
        yield "html-meta-color-scheme"
    if element.tag == "a":
        href = element.get("href", "")
        yield from ["html-anchor-links"] if href.startswith("#") else []
        yield from ["html-mailto-links"] if href.startswith("mailto:") else []


def _of_picture(src: str) -> Iterator[str]:
    low = src.lower()
    if low.startswith("data:"):
        yield "image-base64"
    kind = low[11:].partition(";")[0] if low.startswith("data:image/") else low.partition("?")[0].rpartition(".")[2]
    found = _FORMATS.get(kind.partition("+")[0])
    if found:
        yield f"image-{found}"


def _of_rule(page: Page, style: Element, rule: Rule) -> Iterator[Use]:
    for declaration in rule.declarations:
        place = page.place_in_sheet(style, rule.selector, declaration.name, line=declaration.line)
        for feature in of_declaration(declaration.name, declaration.value):
            yield Use(feature, place, style, declaration, rule)
        if declaration.is_important:
            yield Use("css-important", place, style, declaration, rule)
    for feature in _of_selector(rule.selector):
        yield Use(feature, page.place_in_sheet(style, rule.selector, line=rule.line), style, rule=rule)


@lru_cache(maxsize=512)
def _of_selector(selector: str) -> tuple[str, ...]:
    bare = _QUOTED.sub("''", selector)
    found = [
        *(["css-selector-attribute"] if "[" in bare else []),
        *(["css-selector-child"] if ">" in bare else []),
        *(["css-selector-adjacent-sibling"] if "+" in bare else []),
        *(["css-selector-general-sibling"] if "~" in bare else []),
        *(["css-selector-universal"] if "*" in bare else []),
        *(["css-selector-id"] if "#" in bare else []),
        *(["css-selector-chaining"] if re.search(r"\.[\w-]+\.", bare) else []),
    ]
    for colons, name in _PSEUDO.findall(bare):
        found.append(f"css-pseudo-{'element' if colons == '::' else 'class'}-{name}")
    return tuple(feature for feature in found if feature in table())


def _of_at_rule(prelude: str) -> Iterator[str]:
    yield from (feature for words, feature in _AT_RULES.items() if prelude.startswith(words))
    if prelude.startswith("@supports"):
        yield "css-at-supports"
    if prelude.startswith("@media"):
        yield "css-at-media"
        yield from (feature for words, feature in _MEDIA.items() if words in prelude)


@lru_cache(maxsize=1)
def _by_name() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for feature, names in _ELEMENTS.items():
        for name in names.split():
            found.setdefault(name, []).append(feature)
    for name in _PLAIN_ELEMENTS.split():
        found.setdefault(name, []).append(f"html-{name}")
    return {name: tuple(feature for feature in features if feature in table()) for name, features in found.items()}


@lru_cache(maxsize=1)
def _attributes() -> frozenset[str]:
    return frozenset(name for name in _ATTRIBUTES.split() if f"html-{name}" in table())
