"""Pictures: what stands for them when they are not shown, their size, and where they come from.

Rules: every picture has an ``alt``; an empty one says that it is decoration. Width is asked for in `compat_breaks`, for
Word; height keeps the page from jumping while pictures load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from digest.workshop.checks.links import is_private
from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.page import Element, Page, selector_of, value_of

_FILE_NAME = re.compile(r"[\w.%-]+\.(?:jpe?g|png|gif|webp|avif|svg|bmp)", re.IGNORECASE)
_CAMERA = re.compile(r"(?:img|dsc|image|photo|pic|screenshot)[\s_-]*\d+", re.IGNORECASE)


def check_pictures(page: Page) -> Iterator[Finding]:
    """Faults of every picture."""
    for element in page.elements:
        if element.tag == "img":
            yield from _alt(page, element)
            yield from _size(page, element)
            yield from _address(page, element)


def _alt(page: Page, element: Element) -> Iterator[Finding]:
    alt = element.get("alt")
    if alt is None:
        yield _at(
            page,
            element,
            "image-alt",
            Severity.BREAKS,
            Group.ACCESSIBILITY,
            says="A picture without alt: screen readers read its address out",
            hint='Describe it in alt="…", or write alt="" for decoration.',
        )
        return
    words = alt.strip()
    name = urlsplit(element.get("src", "").partition("?")[0]).path.rpartition("/")[2]
    if words and (_FILE_NAME.fullmatch(words) or _CAMERA.fullmatch(words) or words == name):
        yield _at(
            page,
            element,
            "image-alt-file",
            Severity.DEGRADES,
            Group.ACCESSIBILITY,
            says=f"The alt “{words[:40]}” is a file name, which tells nobody anything",
            hint='Describe the picture, or write alt="".',
        )


def _size(page: Page, element: Element) -> Iterator[Finding]:
    for name in ("width", "height"):
        value = element.get(name, "").strip()
        if value and not re.fullmatch(r"\d+%?", value):
            yield _at(
                page,
                element,
                f"image-{name}-unit",
                Severity.DEGRADES,
                Group.COMPATIBILITY,
                says=f'{name}="{value}" is no number of pixels; Word ignores it',
                hint="Write the number alone.",
            )
    if not element.get("height") and not value_of(element, "height"):
        yield _at(
            page,
            element,
            "image-height",
            Severity.NOTE,
            Group.COMPATIBILITY,
            says="A picture without height: the page jumps when it loads",
            hint='Add height="…" where it is known.',
        )


def _address(page: Page, element: Element) -> Iterator[Finding]:
    src = element.get("src", "").strip()
    try:
        parts = urlsplit(src)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme == "http":
        yield _at(
            page,
            element,
            "image-http",
            Severity.DEGRADES,
            Group.LINKS,
            says=f"The picture {src[:60]} is not https: many clients leave it out",
            hint="Use https.",
        )
    elif parts.scheme not in {"https", "data", "cid"}:
        yield _at(
            page,
            element,
            "image-address",
            Severity.BREAKS,
            Group.LINKS,
            says=f"“{src[:60]}” is no address a mail can load a picture from",
            hint="Write the whole address, with https://.",
        )
    if parts.scheme == "https" and is_private(host):
        yield _at(
            page,
            element,
            "image-private",
            Severity.BREAKS,
            Group.LINKS,
            says=f"Readers cannot reach {host}, where a picture is",
            hint="Use a public address.",
        )


def _at(page: Page, element: Element, rule: str, severity: Severity, group: Group, *, says: str, hint: str) -> Finding:
    template, line = page.place(element)
    return Finding(rule, severity, group, says, hint=hint, template=template, line=line, selector=selector_of(element))
