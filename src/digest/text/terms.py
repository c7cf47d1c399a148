"""What an article is about, as counted terms: small enough to keep a month of, enough to tell stories apart.

Terms stand in three fields, because where a word stands says how much it means: the headline, the lead (headline
and first 100 words) and everything. A word with a capital inside a sentence is a name in most languages that have
capitals, and counts twice. No dictionary, no model, no stemming but in headlines; scripts without spaces are read
in pairs of characters. What the fields weigh is in `curate.likeness`, where it was measured.
"""

from __future__ import annotations

import re
import struct
import sys
import unicodedata
import zlib
from array import array
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Self

#: Combining marks belong to their word: Latin, Hebrew, Arabic, and the scripts of India to Myanmar and Cambodia.
_LETTER = "(?:[^\\W_]|[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u109f\u1780-\u17d3])"
_WORD = re.compile(f"{_LETTER}+(?:['’]{_LETTER}+)*")
_SENTENCE_END = re.compile('[.!?:…\n。！？“”"«»]+')
#: Thai, Lao, Khmer, Japanese and Chinese are written without spaces.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_POSSESSIVE = re.compile("['’]s$")
_ENDINGS = ("ing", "es", "ed", "s", "e")
_LEAD_WORDS = 100
_TITLE_FROM_TEXT_CHARS = 80
#: A book in a feed must cost no more than a long article.
_MAX_CHARS = 40_000
_HEAD = struct.Struct("<I")


class Field(IntEnum):
    """Where a term stands; the two low bits of its key."""

    TEXT = 0
    LEAD = 1
    TITLE = 2


@dataclass(frozen=True, slots=True)
class TermCounts:
    """How often each term stands in an article. ``keys`` ascend; ``counts`` has one byte for each, at most 255.

    A key is the CRC-32 of the term with the two low bits replaced by its `Field`: 30 bits tell the 100,000 words of a
    month apart (one in ten thousand shares its key, which is harmless here).
    """

    keys: array[int]
    counts: bytes

    def dump(self) -> bytes:
        """About 1 kB for an article of 400 words: number of terms, keys (little-endian), counts, deflated."""
        keys = self.keys
        if sys.byteorder == "big":
            keys = array("I", keys)
            keys.byteswap()
        return zlib.compress(_HEAD.pack(len(keys)) + keys.tobytes() + self.counts, 1)

    @classmethod
    def load(cls, dumped: bytes) -> Self:
        """What `dump` wrote. Raises ValueError for anything else."""
        try:
            raw = zlib.decompress(dumped)
            (number,) = _HEAD.unpack_from(raw)
        except (zlib.error, struct.error) as error:
            raise ValueError("these are no counted terms") from error
        if len(raw) != _HEAD.size + 5 * number:
            raise ValueError("these counted terms are cut short")
        keys = array("I", raw[_HEAD.size : _HEAD.size + 4 * number])
        if sys.byteorder == "big":
            keys.byteswap()
        return cls(keys, raw[_HEAD.size + 4 * number :])


def count_terms(title: str, text: str) -> TermCounts:
    """The counted terms of an article; ``text`` is plain."""
    text = unicodedata.normalize("NFKC", text[:_MAX_CHARS])
    title = unicodedata.normalize("NFKC", title) if title.strip() else text[:_TITLE_FROM_TEXT_CHARS]
    heading = [word for word, _ in _words(title)]
    everything, lead = Counter(heading), Counter(heading + heading)
    for place, (word, is_name) in enumerate(_words(text)):
        times = 2 if is_name else 1
        everything[word] += times
        if place < _LEAD_WORDS:
            lead[word] += times
    counted: Counter[int] = Counter()
    fields = ((Field.TEXT, everything), (Field.LEAD, lead), (Field.TITLE, Counter(map(_stem, heading))))
    for field, terms in fields:
        for term, times in terms.items():
            counted[(zlib.crc32(term.encode("utf-8", "replace")) & ~3) | field] += times
    keys = array("I", sorted(counted))
    return TermCounts(keys, bytes(min(counted[key], 255) for key in keys))


def _words(text: str) -> list[tuple[str, bool]]:
    """Words in order, case-folded, and whether each looks like a name."""
    found: list[tuple[str, bool]] = []
    for sentence in _SENTENCE_END.split(text):
        is_inside = False
        for word in _WORD.findall(sentence):
            is_name = is_inside and word[0].isupper()
            is_inside = True
            if word.isascii() or not _UNSPACED.search(word):
                found.append((_POSSESSIVE.sub("", word.casefold()), is_name))
            else:
                found += [(one + other, False) for one, other in pairwise(word)] or [(word, False)]
    return found


def _stem(word: str) -> str:
    """A headline's word without its ending: "raid", "raids", "raided" are one; crude, and the same for all tongues."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return word[: -len(ending)]
    return word
