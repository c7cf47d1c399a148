"""Which line of which template an element of a mail was written in; for the preview, never for sending.

Rules: each start tag that stands literally in a template gets ``data-src="name:line"`` as its first attribute, before
Jinja sees it. Nothing else changes: no line is added, and `strip` gives back the bytes of a rendering without it.
A tag that an expression writes (``<{{ tag }}>``) gets none.
"""

from __future__ import annotations

import re

from jinja2.ext import Extension

# Jinja's own parts, comments and elements whose content is text are passed over whole.
_PARTS = re.compile(
    r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<!--.*?-->|<(?:style|script|title)\b.*?</(?:style|script|title)>"
    r"|<(?P<tag>[a-zA-Z][\w-]*)(?=[\s>/])",
    re.DOTALL,
)
# Only right behind a tag's name, or its class, which inlining puts first: there no text and no attribute's value can
# pose as a stamp, for both have their "<" or their quotes escaped.
_STAMP = re.compile(r'(<[a-zA-Z][\w-]*(?: class="[^"]*")?) data-src="[^"<>]*"')


class SourceMap(Extension):
    """Stamps the HTML templates of mails."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 - Jinja's
        """``source`` with its literal start tags stamped."""
        if not name or not name.startswith("email/") or not name.endswith(".html"):
            return source
        return stamp(source, name)


def stamp(source: str, name: str) -> str:
    """The HTML template ``source`` with ``data-src="name:line"`` in each start tag it writes literally."""

    def stamped(part: re.Match[str]) -> str:
        if part["tag"] is None:
            return part[0]
        return f'{part[0]} data-src="{name}:{source.count(chr(10), 0, part.start()) + 1}"'

    return _PARTS.sub(stamped, source)


def strip(html: str) -> str:
    """``html`` without its stamps."""
    return _STAMP.sub(r"\1", html)
