"""Text as it is compared when people search: case, accents and width do not matter.

Rules: pure, and the same for what is stored and what is asked, so that a word is found however it was typed.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")
#: More words than this narrow nothing down; each costs a look through the text.
_MOST_WORDS = 8


def fold(text: str) -> str:
    """``text`` without case, accents and compatibility forms (NFKD, UAX #15), whitespace collapsed."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(bare.casefold().split())


def asked_words(query: str) -> tuple[str, ...]:
    """The distinct words of a search, folded, in order, at most eight; () for a query without any."""
    return tuple(dict.fromkeys(_WORD.findall(fold(query))))[:_MOST_WORDS]
