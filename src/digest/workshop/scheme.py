"""Light or dark by our choice instead of the browser's: the same in every browser, screenshot and export.

A frame's ``color-scheme`` reaches the media query inside it in some browsers only, so the queries are rewritten.
"""

from __future__ import annotations

import re

_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
_ONLY_QUERY = re.compile(r"@media\s*\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
_BOTH = re.compile(r"light\s+dark")
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)


def in_scheme(html: str, *, dark: bool) -> str:
    """The mail as a client in dark (or light) mode shows it.

    A query for the scheme alone becomes ``@media all`` or ``@media not all``; inside a longer one it becomes a
    condition that always, or never, holds.
    """
    chosen = "dark" if dark else "light"

    def whole(match: re.Match[str]) -> str:
        return "@media all" if match[1].lower() == chosen else "@media not all"

    def part(match: re.Match[str]) -> str:
        return "(min-width:0)" if match[1].lower() == chosen else "(max-width:0)"

    return _BOTH.sub(chosen, _QUERY.sub(part, _ONLY_QUERY.sub(whole, html)))


def framed(html: str) -> str:
    """The mail with its links opening outside the frame."""
    return _HEAD.sub(lambda match: f'{match[0]}<base target="_blank">', html, count=1)
