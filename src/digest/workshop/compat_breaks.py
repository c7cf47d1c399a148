"""What breaks a mail in a mail client: our own list, each entry with its reason.

Rules: an entry is here when some of the readers lose text, a picture or a link, or get the parts out of order; looking
different is not enough. An entry names the clients it is about, and only those asked for are told. The rule's name is
that of the feature in the table of facts where there is one, so that a finding stands once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from digest.workshop.facts import client_names, table
from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.page import Element, Page, Place, inlined, is_zero, selector_of, text_of, value_of
from digest.workshop.styles import Declaration

WORD = ("outlook.windows",)
_GMAIL = ("gmail.android", "gmail.desktop-webmail", "gmail.ios", "gmail.mobile-webmail")
_STYLE_LIMIT = 16 * 1024  # bytes of style elements; Gmail drops the rest (hteumeuleu/email-bugs#90)
_CELLS = frozenset({"td", "th"})
_LISTS = frozenset({"ul", "ol", "li", "dl", "dd", "dt"})
_PADDING_FELT_PX = 8  # less is not missed
_DECLARED = re.compile(r"(--[\w-]+)\s*:")
_NAMED = re.compile(r"\bvar\(\s*(--[\w-]+)\s*\)")  # one with a fallback can do without
_PX = re.compile(r"(\d+(?:\.\d+)?)px")

#: Elements no mail client can be trusted with, and what to do instead.
_ACTIVE = {
    "script": "Mail clients run no scripts; leave it out.",
    "iframe": "Mail clients show no frames; link to the page.",
    "form": "Most clients take forms out, or warn of them; link to a page with the form.",
    "input": "Most clients take fields out; link to a page with the form.",
    "button": "Most clients take buttons out; write a link that looks like one.",
    "select": "Most clients take fields out; link to a page with the form.",
    "textarea": "Most clients take fields out; link to a page with the form.",
    "video": "Few clients play it; link a still picture to its page.",
    "audio": "Few clients play it; link to its page.",
    "object": "Mail clients show nothing there; use a picture and a link.",
    "embed": "Mail clients show nothing there; use a picture and a link.",
    "canvas": "Mail clients run no scripts, so nothing is drawn; use a picture.",
    "svg": "Gmail, Outlook and Yahoo take it out; use a PNG.",
}
#: Image formats → clients that show nothing.
_FORMATS = {
    "svg": (*_GMAIL, "outlook.windows", "outlook.outlook-com", "yahoo.desktop-webmail"),
    "webp": WORD,
    "avif": WORD,
}


@dataclass(frozen=True, slots=True)
class _Cause:
    """Why something breaks."""

    rule: str
    says: str
    hint: str
    clients: tuple[str, ...]


def breaking(page: Page, clients: tuple[str, ...]) -> Iterator[Finding]:
    """What breaks in these clients."""
    for element in page.elements:
        yield from _active(page, element, clients)
        yield from _picture(page, element, clients)
        for declaration in inlined(element):
            cause = _cause(element, declaration)
            if cause:
                yield from _found(page, element, cause, clients, declaration)
    yield from _linked(page, clients)
    yield from _variables(page, clients)
    yield from _sheets(page, clients)


def without_word(clients: tuple[str, ...]) -> tuple[str, ...]:
    """The clients that are not drawn by Word."""
    return tuple(client for client in clients if client not in WORD)


def _cause(element: Element, said: Declaration) -> _Cause | None:
    """Why a declaration of a style attribute breaks something, if it does."""
    value = said.value.removeprefix("inline-")
    if "var(" in said.value:
        return _variable(said)
    if said.name == "display" and value in {"flex", "grid"}:
        return _beside(f"css-display-{value}", f"display: {said.value} is ignored: what stands side by side is stacked")
    if said.name == "float" and said.value in {"left", "right"} and element.tag != "img":
        return _beside("css-float", f"float is ignored: <{element.tag}> is stacked instead of standing beside")
    if said.name == "position" and said.value in {"absolute", "fixed", "sticky"}:
        return _placed(said)
    return _padded(element, said) or _over_picture(element, said)


def _variable(said: Declaration) -> _Cause:
    return _Cause(
        "css-variables",
        f"{said.name}: {said.value} names a variable, which many clients do not know: colour or size is lost",
        "Write the value, or declare the variable in :root of the theme's sheet, where it is filled in.",
        _without("css-variables"),
    )


def _beside(feature: str, says: str) -> _Cause:
    hint = "Put what belongs side by side into cells of a table with role=presentation."
    return _Cause(feature, says, hint, _without(feature))


def _placed(said: Declaration) -> _Cause:
    return _Cause(
        "css-position",
        f"position: {said.value} is taken out, and what it placed lands elsewhere",
        "Let the order in the source be the order on the page.",
        _without("css-position"),
    )


def _padded(element: Element, said: Declaration) -> _Cause | None:
    if not (said.name.startswith("padding") and _is_felt(element, said)):
        return None
    return _Cause(
        "css-padding",
        f"Word ignores the padding of <{element.tag}>: it knows padding on cells only",
        "Give the padding to the <td> around it; between paragraphs use margin.",
        WORD,
    )


def _without(feature: str) -> tuple[str, ...]:
    """Every client the table says does not know a feature."""
    fact = table()[feature]
    return fact.without(tuple(fact.support), "n")


def _is_felt(element: Element, said: Declaration) -> bool:
    if element.tag in _CELLS | _LISTS or element.tag in {"body", "table", "html", "img"} or is_zero(said.value):
        return False
    if value_of(element, "mso-padding-alt") or value_of(element, "display") == "none":
        return False
    widest = max((float(width) for width in _PX.findall(said.value)), default=0.0)
    return widest >= _PADDING_FELT_PX or not _PX.search(said.value)


def _over_picture(element: Element, said: Declaration) -> _Cause | None:
    """Text over a picture that Word does not draw, with no colour to stand in for it."""
    if said.name not in {"background-image", "background"} or "url(" not in said.value.lower():
        return None
    has_colour = value_of(element, "background-color") or element.get("bgcolor")
    if has_colour or not text_of(element):
        return None
    return _Cause(
        "css-background-image",
        "Word draws no background picture, and nothing stands in for it: the text may be unreadable",
        "Give the same element a background-color on which the text can be read.",
        WORD,
    )


def _active(page: Page, element: Element, clients: tuple[str, ...]) -> Iterator[Finding]:
    if element.tag in _ACTIVE:
        cause = _Cause(f"html-{element.tag}", f"<{element.tag}> does nothing in mail", _ACTIVE[element.tag], clients)
        yield from _found(page, element, cause, clients)


def _linked(page: Page, clients: tuple[str, ...]) -> Iterator[Finding]:
    """Style sheets that are only linked: inlining leaves them out, and so do mail clients."""
    for element in page.draft.iter("link"):
        if "stylesheet" in element.get("rel", "").lower():
            cause = _Cause(
                "html-link",
                "A linked style sheet is not loaded, and its address would tell who reads",
                "Put the rules into theme.css, which is inlined.",
                clients,
            )
            yield from _found(page, element, cause, clients)


def _variables(page: Page, clients: tuple[str, ...]) -> Iterator[Finding]:
    """Variables that nothing declares: what names them has no colour or size, silently."""
    lost = set(_NAMED.findall(page.mail.draft)) - set(_DECLARED.findall(page.mail.draft))
    for template, source in page.mail.sources.items():
        if template.endswith((".html", ".css")):
            for found in _NAMED.finditer(source):
                if found[1] in lost:
                    yield Finding(
                        "css-variables",
                        Severity.BREAKS,
                        Group.COMPATIBILITY,
                        f"var({found[1]}) names a variable that is declared nowhere: colour or size is lost",
                        hint="Declare it in a table of theme.toml, or write the value.",
                        template=template,
                        line=source.count("\n", 0, found.start()) + 1,
                        clients=clients,
                    )


def _picture(page: Page, element: Element, clients: tuple[str, ...]) -> Iterator[Finding]:
    if element.tag != "img":
        return
    if not element.get("width", "").strip():
        cause = _Cause(
            "image-width",
            "A picture without a width attribute: Word shows it as large as its file is",
            'Add width="…" in pixels, without a unit.',
            WORD,
        )
        yield from _found(page, element, cause, clients)
    src = element.get("src", "").lower()
    if src.startswith("data:"):
        cause = _Cause(
            "image-base64",
            "A picture inside the address (data:) is not shown, and weighs on the mail",
            "Give the picture an https address of your own.",
            (*_GMAIL, "outlook.windows", "outlook.outlook-com"),
        )
        yield from _found(page, element, cause, clients)
    kind = src.partition("?")[0].rpartition(".")[2]
    if kind in _FORMATS and not src.startswith("data:"):
        cause = _Cause(f"image-{kind}", f"Pictures of the kind {kind} stay empty", "Use JPEG or PNG.", _FORMATS[kind])
        yield from _found(page, element, cause, clients)


def _sheets(page: Page, clients: tuple[str, ...]) -> Iterator[Finding]:
    size = 0
    for style, sheet in page.kept:
        before = size
        size += len((style.text or "").encode())
        if before <= _STYLE_LIMIT < size:
            cause = _Cause(
                "style-size",
                f"Style elements of {size:,} bytes: Gmail reads 16 KB of them and drops the rest",
                "Move what can be inlined into theme.css.",
                _GMAIL,
            )
            yield from _found(page, style, cause, clients)
        for prelude, line in sheet.at_rules:
            if prelude.lower().startswith("@import"):
                cause = _Cause(
                    "css-at-import",
                    "@import is not followed, and its address would tell who reads",
                    "Put the rules into theme.css.",
                    clients,
                )
                yield from _found(page, style, cause, clients, place=page.place_in_sheet(style, prelude, line=line))


def _found(
    page: Page,
    element: Element,
    cause: _Cause,
    clients: tuple[str, ...],
    declaration: Declaration | None = None,
    *,
    place: Place | None = None,
) -> Iterator[Finding]:
    reached = without_word(clients) if id(element) in page.hidden_from_word else clients
    hit = tuple(client for client in reached if client in cause.clients)
    if not hit:
        return
    if place is None:
        place = page.place_of_declaration(element, declaration.name) if declaration else page.place(element)
    fact = table().get(cause.rule)
    yield Finding(
        cause.rule,
        Severity.BREAKS,
        Group.COMPATIBILITY,
        cause.says if hit in {WORD, clients} else f"{cause.says} ({client_names(hit)})",
        hint=cause.hint,
        template=place[0],
        line=place[1],
        clients=hit,
        tested_on=fact.tested_on if fact else "",
        selector=selector_of(element),
    )
