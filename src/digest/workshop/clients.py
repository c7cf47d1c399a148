"""How mail clients would show a mail: each simulated by changing its HTML, and honest about how near that comes.

Rules: pure functions of the finished HTML, so that a frame, a screenshot and an export show the same. No client's own
code is here: what is known of each is a recipe, and its `Badge` says what is faked. Marks of the source map survive.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from html import escape

from lxml import html as lxml_html

from digest.workshop import colours
from digest.workshop.facts import table
from digest.workshop.features import of_declaration
from digest.workshop.page import Element, inlined, tree_of
from digest.workshop.scheme import in_scheme
from digest.workshop.styles import Declaration

_STYLE = re.compile(r"<style\b.*?</style\s*>\n?", re.DOTALL | re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_FOR_WORD = re.compile(r"<!--\[if (?:[gl]te? )?mso(?: \d+)?(?:\s*\|\s*IE)?\]>(.*?)<!\[endif\]-->", re.DOTALL)
_NOT_FOR_WORD = re.compile(r"<!--\[if !mso\]><!(?:-->|--)>?(.*?)<!--<!\[endif\]-->", re.DOTALL)
_OFFICE = re.compile(r"<noscript>\s*<xml>.*?</noscript>|<xml>.*?</xml>", re.DOTALL | re.IGNORECASE)
_VML = re.compile(r"<v:(?:roundrect|rect)\b[^>]*>", re.IGNORECASE)
_VML_END = re.compile(r"</v:(?:roundrect|rect)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([\w:-]+)=\"([^\"]*)\"")
_COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|(?:rgb|hsl)a?\([^)]*\)", re.IGNORECASE)
_BROKEN = "data:,"  # no picture: a browser draws the box and the alt text, and asks nobody
_CELLS = frozenset({"td", "th", "table", "body", "li", "ul", "ol"})


class Client(StrEnum):
    """What a mail can be shown as."""

    AUTHORED = "authored"
    GMAIL_APP = "gmail-app"
    FORCED_DARK = "forced-dark"
    OUTLOOK_COM_DARK = "outlook-com-dark"
    OUTLOOK_WINDOWS = "outlook-windows"
    IMAGES_OFF = "images-off"
    TEXT = "text"


class Fidelity(StrEnum):
    """How near a simulation comes."""

    EXACT = "exact"
    CLOSE = "close"
    ROUGH = "rough"


@dataclass(frozen=True, slots=True)
class Badge:
    """What to write beside a simulation: its name, how near it comes, and one line of what is faked."""

    name: str
    fidelity: Fidelity
    says: str


_BADGES = {
    Client.AUTHORED: Badge(
        "As authored",
        Fidelity.EXACT,
        "What the templates say, as Apple Mail shows it; Outlook on phones and Mac comes close to it.",
    ),
    Client.GMAIL_APP: Badge(
        "Gmail app",
        Fidelity.CLOSE,
        "With an account of another provider: no style elements, so no dark colours and no small-screen rules.",
    ),
    Client.FORCED_DARK: Badge(
        "Forced dark",
        Fidelity.ROUGH,
        "Light grounds darkened and dark text lightened by one published recipe; each client has its own. "
        "Pictures stay.",
    ),
    Client.OUTLOOK_COM_DARK: Badge(
        "Outlook.com dark",
        Fidelity.CLOSE,
        "The dark colours and the hooks for Outlook.com are on; its own changes of colour are not made.",
    ),
    Client.OUTLOOK_WINDOWS: Badge(
        "Outlook on Windows",
        Fidelity.ROUGH,
        "Drawn by your browser, not by Word: what Word is known to ignore is taken out, its conditional parts put in.",
    ),
    Client.IMAGES_OFF: Badge(
        "Images off", Fidelity.CLOSE, "Boxes and alt texts instead of pictures; each client draws the box its own way."
    ),
    Client.TEXT: Badge("Text only", Fidelity.EXACT, "The text part; the typeface is the reader's own."),
}


def badge(client: Client) -> Badge:
    """What to write beside a simulation."""
    return _BADGES[client]


def simulate(html: str, client: Client, *, dark: bool = False) -> str:
    """The mail as ``client`` shows it, as a whole document. For `Client.TEXT` give the text part instead.

    ``dark`` chooses the scheme where the client leaves a choice: as authored and with images off. Elsewhere the client
    decides.
    """
    return _RECIPES[client](html, dark)


def _authored(html: str, dark: bool) -> str:  # noqa: FBT001 - one shape for all recipes
    return in_scheme(html, dark=dark)


def _gmail_app(html: str, _dark: bool) -> str:  # noqa: FBT001 - the same
    return _COMMENT.sub("", _STYLE.sub("", html))


def _images_off(html: str, dark: bool) -> str:  # noqa: FBT001 - the same
    root = tree_of(in_scheme(html, dark=dark))
    for element in root.iter("img"):
        element.set("src", _BROKEN)
        element.attrib.pop("srcset", None)
    for element in root.iter("*"):
        element.attrib.pop("background", None)
        _keep(element, lambda _, one: "url(" not in one.value.lower())
    return _document(root)


def _outlook_com_dark(html: str, _dark: bool) -> str:  # noqa: FBT001 - the same
    root = tree_of(in_scheme(html, dark=True))
    root.set("data-ogsc", "")
    root.set("data-ogsb", "")
    return _document(root)


def _forced_dark(html: str, _dark: bool) -> str:  # noqa: FBT001 - the same
    root = tree_of(in_scheme(html, dark=False))
    body = root.find("body")
    if body is not None:
        said = {one.name for one in inlined(body)}
        own = body.get("style", "")
        plain = [
            *([] if said & {"background", "background-color"} else ["background-color:#ffffff"]),
            *([] if "color" in said else ["color:#000000"]),
        ]
        body.set("style", ";".join([*plain, own]).strip(";"))
    for element in root.iter("*"):
        if element.get("bgcolor"):
            element.set("bgcolor", _inverted(element.get("bgcolor"), is_ground=True))
        if element.tag == "font" and element.get("color"):
            element.set("color", _inverted(element.get("color"), is_ground=False))
        if element.tag == "a" and element.get("href") and not any(one.name == "color" for one in inlined(element)):
            element.set("style", f"color:#0000ee;{element.get('style', '')}")
        if element.get("style"):
            element.set("style", ";".join(_written(_in_the_dark(one)) for one in inlined(element)))
    return _document(root)


def _outlook_windows(html: str, _dark: bool) -> str:  # noqa: FBT001 - the same
    html = _NOT_FOR_WORD.sub("", _STYLE.sub("", _outside_of_comments(html)))
    uncovered = _OFFICE.sub("", _FOR_WORD.sub(r"\1", html.replace(_HIDDEN_STYLE, "<style")))
    root = tree_of(_VML_END.sub("</a>", _VML.sub(_as_box, uncovered)))
    for element in root.iter("*"):
        _keep(element, _is_known_to_word)
    return _document(root)


_HIDDEN_STYLE = "<x-word-style"


def _outside_of_comments(html: str) -> str:
    """Style elements for Word alone are put out of reach: those of everybody else are dropped."""
    return _FOR_WORD.sub(lambda found: found[0].replace("<style", _HIDDEN_STYLE), html)


def _as_box(found: re.Match[str]) -> str:
    """A filled shape of VML, which only Word draws, as a box of the same size, colour and link."""
    said = {name.lower(): value for name, value in _ATTRIBUTE.findall(found[0])}
    sizes = dict(re.findall(r"(?<![\w-])(width|height):(\d+px)", said.get("style", "")))
    style = (
        f"display:block;width:{sizes.get('width', 'auto')};line-height:{sizes.get('height', 'normal')};"
        f"background-color:{said.get('fillcolor', 'transparent')};text-align:center;text-decoration:none"
    )
    return f'<a href="{said.get("href", "#")}" style="{style}">'


def _is_known_to_word(element: Element, said: Declaration) -> bool:
    if said.name.startswith("padding") and element.tag not in _CELLS:
        return False
    if said.name in {"width", "min-width", "max-width"} and element.tag in {"div", "p"}:
        return False
    facts = table()
    return all(
        facts[feature].support.get("outlook.windows") != "n" for feature in of_declaration(said.name, said.value)
    )


def _text(text: str, dark: bool) -> str:  # noqa: FBT001 - the same
    ground, ink = ("#121212", "#e6e6e6") if dark else ("#ffffff", "#111111")
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>Text</title></head>'
        f'<body style="margin:0;background-color:{ground};color:{ink}">'
        f'<pre style="margin:16px;font:14px/20px monospace;white-space:pre-wrap">{escape(text)}</pre></body></html>\n'
    )


_RECIPES: dict[Client, Callable[[str, bool], str]] = {
    Client.AUTHORED: _authored,
    Client.GMAIL_APP: _gmail_app,
    Client.FORCED_DARK: _forced_dark,
    Client.OUTLOOK_COM_DARK: _outlook_com_dark,
    Client.OUTLOOK_WINDOWS: _outlook_windows,
    Client.IMAGES_OFF: _images_off,
    Client.TEXT: _text,
}


def _document(root: Element) -> str:
    made: str = lxml_html.tostring(root, encoding="unicode", doctype="<!DOCTYPE html>")
    return made + "\n"


def _keep(element: Element, is_kept: Callable[[Element, Declaration], bool]) -> None:
    """Rewrite a style attribute without the declarations that are not kept."""
    said = inlined(element)
    kept = [one for one in said if is_kept(element, one)]
    if len(kept) < len(said):
        element.set("style", ";".join(map(_written, kept)))


def _written(said: Declaration) -> str:
    return f"{said.name}:{said.value}{'!important' if said.is_important else ''}"


def _in_the_dark(said: Declaration) -> Declaration:
    is_ground = said.name.startswith("background")
    if not (is_ground or said.name == "color" or said.name.startswith("border")):
        return said
    if said.name in {"color", "background-color"} or said.name.endswith("-color"):
        value = _inverted(said.value, is_ground=is_ground)
    else:
        value = _COLOUR.sub(lambda found: _inverted(found[0], is_ground=is_ground), said.value)
    return Declaration(said.name, value, said.is_important, said.line)


def _inverted(value: str, *, is_ground: bool) -> str:
    colour = colours.parse(value)
    return colours.hexadecimal(colours.inverted(colour, is_ground=is_ground)) if colour else value
