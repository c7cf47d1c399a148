"""Lists of phrases as patterns, so that a list can be read as one: a phrase a line, with what varies as a pattern."""

from __future__ import annotations


def any_of(lines: str) -> str:
    """The lines as one group of alternatives; empty lines are left out."""
    return "(?:" + "|".join(stripped for line in lines.splitlines() if (stripped := line.strip())) + ")"
