"""What was meant to be filled in and was not: ``{{ … }}``, ``%%NAME%%``, None, half a slot.

Rules: readers' words are not ours to judge. What also stands in the data (an article about ``{{ braces }}``) is no
leftover.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from digest.text.slots import CLOSE, OPEN
from digest.workshop.findings import Finding, Group, Severity
from digest.workshop.page import Page, selector_of

_LEFT = re.compile(
    rf"\{{\{{[^}}\n]*\}}\}}|\{{%[^%\n]*%\}}|\{{\{{|%%\w+%%|%%|[{OPEN}{CLOSE}]|\b(?:None|Undefined|NaN|undefined)\b"
    r"|<(?:built-in|bound|function|object|macro)\b[^>]*>|\bMacro '\w+'"
)
_SHOWN = ("alt", "title", "href", "src", "aria-label", "content", "width", "height", "lang", "dir")


def check_leftovers(page: Page) -> Iterator[Finding]:
    """Tokens in the subject, the text part, the text of the HTML and the attributes that readers meet."""
    mail = page.mail
    known = "\n".join(_texts(asdict(mail.context)))
    yield from _in_lines(mail.rendered.subject, known, mail.part("subject.txt"), mail.sources)
    yield from _in_lines(mail.rendered.text, known, mail.part("body.txt"), mail.sources)
    for element in page.elements:
        if element.tag in {"style", "script"}:
            continue
        shown = [element.text or "", *(below.tail or "" for below in element)]
        shown += [element.get(name, "") for name in _SHOWN]
        for words in shown:
            for token in _left(words, known):
                template, line = page.place(element)
                yield _finding(token, template, line, selector=selector_of(element))


def _in_lines(text: str, known: str, template: str, sources: Any) -> Iterator[Finding]:
    for row in text.splitlines():
        for token in _left(row, known):
            yield _finding(token, template, _line_of(token, row, sources.get(template, "")))


def _left(words: str, known: str) -> list[str]:
    if not _maybe(words):
        return []
    return [token for token in _LEFT.findall(words) if token not in known]


@lru_cache(maxsize=4096)
def _maybe(words: str) -> bool:
    return _LEFT.search(words) is not None


def _line_of(token: str, row: str, source: str) -> int | None:
    """The line of a text template that wrote the token, as far as the words around it are its own."""
    words = [token, *sorted(re.findall(r"[^\W\d]{3,}", row.replace(token, " ")), key=len, reverse=True)]
    for word in words:
        for number, line in enumerate(source.splitlines(), start=1):
            if word in line:
                return number
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _finding(token: str, template: str | None, line: int | None, *, selector: str = "") -> Finding:
    shown = token.replace(OPEN, "U+E000").replace(CLOSE, "U+E001")
    return Finding(
        "leftover",
        Severity.BREAKS,
        Group.TEXT,
        f"“{shown}” was not filled in",
        hint="Write the value, or leave the part out when there is none: {% if … %}.",
        template=template,
        line=line,
        selector=selector,
    )
