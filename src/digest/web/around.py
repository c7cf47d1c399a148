"""What stands around an issue on the web: a way to its neighbours, and what other programs read in its head.

Rules: the stored rendition is not composed again; lines are put into its head and around its body, and everything
between is byte for byte what was stored. Nothing personal, no script, nothing from another host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Template

_HEAD_END = re.compile(r"</head\s*>", re.IGNORECASE)
_HEAD = re.compile(r"<html\b[^>]*>", re.IGNORECASE)
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>(?!.*</body\s*>)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Parts:
    """The three templates: lines of the head, what comes before the issue, and what after it."""

    head: Template
    top: Template
    bottom: Template


def around(html: str, parts: Parts, values: Mapping[str, object]) -> str:
    """The rendition with its surroundings, inside a ``main`` of its own.

    An operator's template may lack a head or body element, as HTML allows; then the parts stand where browsers would
    begin them.
    """
    head = parts.head.render(values)
    top = f"{parts.top.render(values)}<main>"
    bottom = f"</main>{parts.bottom.render(values)}"
    if found := _HEAD_END.search(html):
        html = html[: found.start()] + head + html[found.start() :]
    elif found := _HEAD.search(html):
        html = f"{html[: found.end()]}<head>{head}</head>{html[found.end() :]}"
    if found := _BODY.search(html):
        html = html[: found.end()] + top + html[found.end() :]
    if found := _BODY_END.search(html):
        return html[: found.start()] + bottom + html[found.start() :]
    return html + bottom
