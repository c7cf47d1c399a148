"""Word shingles: how much of one text stands in another (collection.md §2.4: wire copies share ≥ 0.6)."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+(?:'\w+)*")


_PRINTED_WORD = re.compile(r"[\w']+")


def shingles(text: str, *, size: int = 5, as_printed: bool = False) -> frozenset[str]:
    """Every run of ``size`` words, case-folded; a shorter text is its own single shingle.

    Both forms of the apostrophe are one, and belong to their word: agencies' clients exchange them. ``as_printed``
    tells them apart, as the gold of collection.md §2.4 does: what others typeset otherwise is another word.
    """
    folded = text.casefold()
    words = _PRINTED_WORD.findall(folded) if as_printed else _WORD.findall(folded.replace("’", "'"))
    if not words:
        return frozenset()
    if len(words) < size:
        return frozenset({" ".join(words)})
    return frozenset(" ".join(words[i : i + size]) for i in range(len(words) - size + 1))


def containment(one: frozenset[str], other: frozenset[str]) -> float:
    """Share of the smaller set that is in the larger one, 0 to 1; 0 when either is empty."""
    smaller = min(len(one), len(other))
    return len(one & other) / smaller if smaller else 0.0
