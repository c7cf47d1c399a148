"""Sources to read: a mail's HTML, each line leading to the template that wrote it, and templates with their lines.

Rules: everything is escaped by Pygments, which colours it; nothing of it is markup of ours. Imported where a source is
looked at: Pygments takes some megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.configs import TOMLLexer
from pygments.lexers.css import CssLexer
from pygments.lexers.html import HtmlLexer
from pygments.lexers.special import TextLexer
from pygments.lexers.templates import HtmlDjangoLexer

from digest.workshop.mail import Mail
from digest.workshop.states import Place

_STAMP = re.compile(r' data-src="([^"<>]*):(\d+)"')
_FORMATTER = HtmlFormatter(nowrap=True)
_LEXERS = {".html": HtmlDjangoLexer, ".css": CssLexer, ".toml": TOMLLexer}


@dataclass(frozen=True, slots=True)
class Listing:
    """A source to read: (number, highlighted line, the place in a template it came from). ``line`` is chosen."""

    template: str
    lines: tuple[tuple[int, Markup, Place | None], ...]
    line: int | None = None


def html_listing(mail: Mail) -> Listing:
    """The mail's HTML by lines; each leads to the line of the template that its first element was written in."""
    lines = mail.mapped.splitlines()
    places = [_STAMP.search(line) for line in lines]
    shown = _highlighted("\n".join(_STAMP.sub("", line) for line in lines), HtmlLexer)
    return Listing(
        "",
        tuple(
            (number, line, Place(found[1], int(found[2])) if found else None)
            for number, (line, found) in enumerate(zip(shown, places, strict=False), start=1)
        ),
    )


def template_listing(name: str, source: str, line: int | None) -> Listing:
    """A template by lines; each can be chosen."""
    suffix = name[name.rfind(".") :]
    shown = _highlighted(source, _LEXERS.get(suffix, TextLexer))
    return Listing(name, tuple((at, text, Place(name, at)) for at, text in enumerate(shown, start=1)), line)


def _highlighted(source: str, lexer: type) -> Sequence[Markup]:
    made = highlight(source, lexer(stripnl=False, ensurenl=False), _FORMATTER)
    return [Markup(line) for line in made.split("\n")]  # noqa: S704 - Pygments escaped it
