"""Is it a sound document: tags, style sheets, language, title.

Rules: nesting is checked in what the templates wrote, style sheets in their sources; both have exact lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from digest.workshop import styles
from digest.workshop.checks.nesting import misnested
from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.page import Page, Place

_STYLE = re.compile(r"<style\b[^>]*>(.*?)</style", re.DOTALL | re.IGNORECASE)


def check_structure(page: Page) -> Iterator[Finding]:
    """Faults of the document itself."""
    for fault in misnested(page.mail.draft):
        yield _finding(fault.rule, Severity.BREAKS, fault.place, says=fault.says, hint=fault.hint)
    yield from _sheets(page)
    yield from _head(page)
    yield from _ids(page)


def _sheets(page: Page) -> Iterator[Finding]:
    """What no browser could read in a style sheet. Gmail drops a whole style element for one such fault."""
    for template, source in page.mail.sources.items():
        for css, first in _css_of(template, source):
            sheet = styles.read(styles.blanked(css))
            for message, line in sheet.errors:
                yield _finding(
                    "css-syntax",
                    Severity.BREAKS,
                    (template, first + line - 1),
                    says=f"The style sheet cannot be read here: {message.rstrip('.').lower()}",
                    hint="Correct it: some clients drop the whole sheet for one fault.",
                )
            yield from _unknown_properties(sheet, template, first)


def _unknown_properties(sheet: styles.Sheet, template: str, first: int) -> Iterator[Finding]:
    for rule in sheet.rules:
        for one in rule.declarations:
            if not one.value:
                yield _finding(
                    "css-syntax",
                    Severity.BREAKS,
                    (template, first + one.line - 1),
                    says=f"{one.name} has no value",
                    hint="Write one.",
                )


def _css_of(template: str, source: str) -> Iterator[tuple[str, int]]:
    """Style sheets in a template, each with the line it begins on."""
    if template.endswith(".css"):
        yield source, 1
    elif template.endswith(".html"):
        for found in _STYLE.finditer(_without_comments(source)):
            yield found[1], source.count("\n", 0, found.start(1)) + 1


def _without_comments(source: str) -> str:
    """Jinja's comments blanked, so that a style element named in one is none; Outlook's are left in."""
    return re.sub(r"\{#.*?#\}", lambda found: re.sub(r"[^\n]", " ", found[0]), source, flags=re.DOTALL)


def _head(page: Page) -> Iterator[Finding]:
    root = page.root
    if not page.mail.draft.lstrip().lower().startswith("<!doctype html"):
        yield _finding(
            "doctype",
            Severity.DEGRADES,
            page.place(root),
            says="The mail has no doctype: webmail shows it in quirks mode",
            hint="Begin the layout with <!DOCTYPE html>.",
        )
    if not (root.findtext("head/title") or "").strip():
        yield _finding(
            "title",
            Severity.DEGRADES,
            page.place(root),
            says="The mail has no title: screen readers announce nothing",
            hint="Put <title>{{ subject }}</title> into the head.",
        )
    if "charset=utf-8" not in page.mail.mapped.lower().replace('"', ""):
        yield _finding(
            "charset",
            Severity.DEGRADES,
            page.place(root),
            says="The mail does not say that it is UTF-8: saved or forwarded, it is garbled",
            hint='Put <meta charset="utf-8"> first into the head.',
        )


def _ids(page: Page) -> Iterator[Finding]:
    counted = Counter(one.get("id") for one in page.elements if one.get("id"))
    for name, count in counted.items():
        if count > 1:
            first = next(one for one in page.elements if one.get("id") == name)
            yield _finding(
                "id-twice",
                Severity.DEGRADES,
                page.place(first),
                says=f"The id {name} stands {count} times",
                hint="Make ids different, or leave them out.",
            )


def _finding(rule: str, severity: Severity, place: Place, *, says: str, hint: str) -> Finding:
    return Finding(rule, severity, Group.STRUCTURE, says, hint=hint, template=place[0], line=place[1])
