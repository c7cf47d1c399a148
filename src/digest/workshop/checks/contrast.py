"""Whether text can be read on what lies behind it: as written, dark as written, and where a client forces dark.

Rules: colours come from style attributes, ``bgcolor`` and ``font``, and are inherited; dark ones from the rules in
``prefers-color-scheme: dark``, which win over a style attribute only with ``!important``. WCAG 2.2 AA asks for 4.5, and
3 for large text (24 px, or 18.66 px bold). Forced dark is computed by the recipe of `colours.inverted`. What is hidden
is not read, and what lies on a picture is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from digest.workshop import colours, styles
from digest.workshop.colours import BLACK, WHITE, Rgb
from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.page import Element, Page, inlined, is_hidden, selector_of

_ENOUGH = 4.5
_ENOUGH_LARGE = 3.0
_UNREADABLE = 3.0
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(px|pt|em|rem|%)?")
_FILLER = re.compile(r"[\s\u200b-\u200f\u034f\u2007\u00a0\u00ad\ufeff·•|,.–—-]+")
_SIZES = {"h1": 32.0, "h2": 24.0, "h3": 18.7, "h4": 16.0, "h5": 13.3, "h6": 10.7}
_BOLD = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "b", "strong", "th"})
_LINK = colours.parse("#0000ee") or BLACK
_LINK_DARK = colours.parse("#9e9eff") or WHITE
_DARK_GROUND = colours.parse("#121212") or BLACK


class Mode(StrEnum):
    """How the mail is shown."""

    LIGHT = "light"
    DARK = "dark"
    FORCED = "forced dark"


@dataclass(frozen=True, slots=True)
class _State:
    """What an element inherits. ``painter`` is the element that set the colour; ``ground`` None is a picture."""

    colour: Rgb
    ground: Rgb | None
    size: float
    is_bold: bool
    painter: Element


def check_contrast(page: Page) -> Iterator[Finding]:
    """Text that is hard to read, in each mode."""
    dark = _dark(page)
    for note in page.mail.notes:
        template, line = page.place_in_theme(note.mode, note.name)
        yield Finding(
            "theme-colour",
            Severity.DEGRADES,
            Group.CONTRAST,
            note.says,
            hint="Write a darker or a lighter one to choose the shade yourself.",
            template=template,
            line=line,
        )
    once: dict[tuple[object, ...], Finding] = {}
    for modes, extra in (((Mode.LIGHT, Mode.FORCED), {}), ((Mode.DARK,), dark)):
        for found in _walk(page, page.body, _start(page, modes), extra, modes):
            key = (found.rule, found.template, found.line, found.message.partition(":")[0])
            once[key] = replace(once[key], count=once[key].count + 1) if key in once else found
    yield from once.values()


def _start(page: Page, modes: tuple[Mode, ...]) -> _State:
    """The client's own canvas, which is dark where the mail says that it can be."""
    goes_dark = Mode.DARK in modes and any(
        element.get("name") == "color-scheme" and "dark" in element.get("content", "")
        for element in page.root.iter("meta")
    )
    return _State(WHITE if goes_dark else BLACK, _DARK_GROUND if goes_dark else WHITE, 16.0, False, page.body)


def _dark(page: Page) -> dict[int, dict[str, tuple[str, bool]]]:
    """Element → property → (value, whether it wins over the style attribute)."""
    found: dict[int, dict[str, tuple[tuple[bool, tuple[int, int, int]], str, bool]]] = {}
    for _, sheet in page.kept:
        for rule in sheet.rules:
            if not (rule.is_within("prefers-color-scheme") and rule.is_within("dark")):
                continue
            for selector in rule.selector.split(","):
                weight = styles.specificity(selector)
                for element in styles.matched(page.root, selector.strip()):
                    said = found.setdefault(id(element), {})
                    for one in rule.declarations:
                        rank = (one.is_important, weight)
                        if one.name not in said or said[one.name][0] <= rank:
                            said[one.name] = (rank, one.value, one.is_important)
    return {key: {name: (value, wins) for name, (_, value, wins) in said.items()} for key, said in found.items()}


def _walk(
    page: Page,
    element: Element,
    above: _State,
    dark: Mapping[int, Mapping[str, tuple[str, bool]]],
    modes: tuple[Mode, ...],
) -> Iterator[Finding]:
    """Judge an element and all below it, in modes that inherit alike."""
    if not isinstance(element.tag, str) or element.tag in {"style", "script", "title"} or is_hidden(element):
        return
    said = {one.name: one.value for one in inlined(element)}
    for name, (value, wins) in dark.get(id(element), {}).items():
        if wins or name not in said:
            said[name] = value
    state = _inherit(element, above, said, link=_LINK_DARK if Mode.DARK in modes else _LINK)
    words = " ".join([element.text or "", *(below.tail or "" for below in element)])
    if _FILLER.sub("", words):
        for mode in modes:
            yield from _judge(page, element, state, mode, words)
    for below in element:
        yield from _walk(page, below, state, dark, modes)


def _inherit(element: Element, above: _State, said: Mapping[str, str], *, link: Rgb) -> _State:
    state = replace(above, size=_size(element, said, above.size), is_bold=_is_bold(element, said, above))
    ground = said.get("background-color") or said.get("background") or element.get("bgcolor", "")
    if ground:
        state = replace(state, ground=_ground(ground, above.ground))
    colour = said.get("color") or (element.get("color", "") if element.tag == "font" else "")
    parsed = colours.parse(colour, above.ground or WHITE) if colour else None
    if parsed:
        state = replace(state, colour=parsed, painter=element)
    elif element.tag == "a" and element.get("href"):
        state = replace(state, colour=link, painter=element)
    return state


def _ground(value: str, above: Rgb | None) -> Rgb | None:
    """The colour of a background; None for a picture, or what lies above it for one that lets all through."""
    if "url(" in value.lower() or "gradient(" in value:
        return None
    for part in [value, *value.split()]:
        colour = colours.parse(part, above or WHITE)
        if colour:
            return colour
    return above


def _judge(page: Page, element: Element, state: _State, mode: Mode, words: str) -> Iterator[Finding]:
    if state.ground is None:
        return
    colour, ground = state.colour, state.ground
    if mode is Mode.FORCED:
        colour, ground = colours.inverted(colour, is_ground=False), colours.inverted(ground, is_ground=True)
    ratio = colours.contrast(colour, ground)
    enough = _ENOUGH_LARGE if state.size >= 24 or (state.is_bold and state.size >= 18.66) else _ENOUGH
    if ratio >= enough:
        return
    table = "dark" if mode is Mode.DARK else "light"
    template, line = page.place_of_colour(state.painter, table)
    is_bad = ratio < _UNREADABLE and mode is not Mode.FORCED
    yield Finding(
        f"contrast-{mode.value.replace(' dark', '')}",
        Severity.BREAKS if is_bad else Severity.DEGRADES,
        Group.CONTRAST,
        f"{colours.hexadecimal(colour)} on {colours.hexadecimal(ground)} has a contrast of {ratio:.1f} in {mode}: "
        f"“{' '.join(words.split())[:30]}”",
        hint=_hint(mode, enough),
        template=template,
        line=line,
        selector=selector_of(element),
    )


def _hint(mode: Mode, enough: float) -> str:
    if mode is Mode.FORCED:
        return (
            f"Clients that force dark invert what you wrote; {enough:g} is readable: move the colour further from grey."
        )
    where = "[dark]" if mode is Mode.DARK else "[light]"
    return f"{enough:g} is readable: change one of the two in {where} of theme.toml."


def _size(element: Element, said: Mapping[str, str], above: float) -> float:
    found = _SIZE.fullmatch(said.get("font-size", ""))
    if not found:
        return _SIZES.get(element.tag, above)
    number = float(found[1])
    return {
        "px": number,
        "pt": number * 4 / 3,
        "em": number * above,
        "rem": number * 16,
        "%": number * above / 100,
    }.get(found[2], above)


def _is_bold(element: Element, said: Mapping[str, str], above: _State) -> bool:
    weight = said.get("font-weight", "")
    if weight.isdigit():
        return int(weight) >= 700
    return weight == "bold" or (not weight and (above.is_bold or element.tag in _BOLD))
