"""What a screen reader or a keyboard would stumble over, as far as the source tells; axe sees the rest.

Rules: language and direction stand on ``html`` and again on the wrapper, because webmail strips the outer tags. Tables
are layout unless they have header cells. Headings go down one step at a time, from one ``h1``.
"""

from __future__ import annotations

from collections.abc import Iterator

from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.page import Element, Page, selector_of, text_of

_EMPTY_WORDS = frozenset({"click here", "here", "read more", "more", "link", "this", "continue", "continue reading"})
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def check_accessibility(page: Page) -> Iterator[Finding]:
    """Language, direction, roles, headings and words of links."""
    yield from _language(page)
    yield from _tables(page)
    yield from _headings(page)
    yield from _links(page)


def _language(page: Page) -> Iterator[Finding]:
    context = page.mail.context
    root = page.root
    for name, wanted in (("lang", context.lang), ("dir", context.dir)):
        said = root.get(name)
        if not said:
            yield _at(
                page,
                root,
                f"html-{name}-missing",
                Severity.DEGRADES,
                says=f"<html> does not say its {name}",
                hint=f'Write <html {name}="{{{{ {name} }}}}">.',
            )
        elif said != wanted:
            yield _at(
                page,
                root,
                f"html-{name}-wrong",
                Severity.DEGRADES,
                says=f'<html> says {name}="{said}"; it is {wanted}',
                hint=f'Write <html {name}="{{{{ {name} }}}}">.',
            )
        if not any(element.get(name) == wanted for element in page.visible if element.tag != "body"):
            yield _at(
                page,
                page.body,
                f"wrapper-{name}-missing",
                Severity.DEGRADES,
                says=f"Nothing in the body says the {name}; webmail strips <html> and <body>",
                hint=f'Put {name}="{{{{ {name} }}}}" on the element that wraps the mail.',
            )


def _tables(page: Page) -> Iterator[Finding]:
    for element in page.visible:
        is_layout = element.tag == "table" and not any(one.tag == "th" for one in element.iter("th"))
        if is_layout and element.get("role") not in {"presentation", "none"}:
            yield _at(
                page,
                element,
                "table-role",
                Severity.DEGRADES,
                says="A layout table without a role: screen readers count its rows and columns out",
                hint='Add role="presentation".',
            )


def _headings(page: Page) -> Iterator[Finding]:
    found = [element for element in page.visible if element.tag in _HEADINGS]
    tops = [element for element in found if element.tag == "h1"]
    if not tops:
        yield _at(
            page,
            page.body,
            "heading-missing",
            Severity.DEGRADES,
            says="The mail has no <h1>",
            hint="Give it its title.",
        )
    for element in tops[1:]:
        yield _at(
            page,
            element,
            "heading-twice",
            Severity.DEGRADES,
            says="The mail has more than one <h1>",
            hint="Let the title be the <h1>, sections <h2>, stories <h3>.",
        )
    before = 0
    for element in found:
        level = int(element.tag[1])
        if level > before + 1:
            yield _at(
                page,
                element,
                "heading-order",
                Severity.DEGRADES,
                says=f"<{element.tag}> follows " + (f"<h{before}>" if before else "nothing") + ": a level is skipped",
                hint=f"Make it <h{before + 1}>.",
            )
        before = level
        if not text_of(element):
            yield _at(
                page,
                element,
                "heading-empty",
                Severity.DEGRADES,
                says=f"An empty <{element.tag}>",
                hint="Leave it out.",
            )


def _links(page: Page) -> Iterator[Finding]:
    for element in page.visible:
        if element.tag != "a" or element.get("href") is None or element.get("aria-hidden") == "true":
            continue
        words = element.get("aria-label") or text_of(element)
        words = words or " ".join(picture.get("alt", "") for picture in element.iter("img")).strip()
        if not words:
            yield _at(
                page,
                element,
                "link-without-words",
                Severity.BREAKS,
                says="A link without words: nobody hears or sees where it leads",
                hint="Write words into it, or describe its picture in alt.",
            )
        elif words.strip(" .…→»>").casefold() in _EMPTY_WORDS:
            yield _at(
                page,
                element,
                "link-words",
                Severity.DEGRADES,
                says=f"“{words}” says nothing out of its place",
                hint="Let the headline be the link.",
            )


def _at(page: Page, element: Element, rule: str, severity: Severity, *, says: str, hint: str) -> Finding:
    template, line = page.place(element)
    return Finding(
        rule,
        severity,
        Group.ACCESSIBILITY,
        says,
        hint=hint,
        template=template,
        line=line,
        selector=selector_of(element),
    )
