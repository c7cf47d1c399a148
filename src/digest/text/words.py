"""Counting words and the minutes they take to read."""

from __future__ import annotations

import re

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[^\W{_CJK}]+(?:[’'-][^\W{_CJK}]+)*")
_IDEOGRAPH = re.compile(f"[{_CJK}]")
#: Silent reading of non-fiction in English (Brysbaert 2019, mean of 190 studies).
_ENGLISH = 238
# Words a minute aloud in each language, the same texts (IReST, Trauzettel-Klosinski and Dietz 2012); English 228.
# Chinese and Japanese: half of their 255 and 357 characters, as `count` counts them.
_ALOUD = {
    "ar": 138, "de": 179, "en": 228, "es": 218, "fi": 161, "fr": 195, "he": 187, "it": 188, "ja": 178.5, "nl": 202,
    "pl": 166, "pt": 181, "ru": 184, "sl": 180, "sv": 199, "tr": 166, "zh": 127.5,
}  # fmt: skip
_UNKNOWN = 230  # between the languages and English, which most texts of unknown language are


def count(text: str) -> int:
    """Number of words; scripts without spaces count half a word for each character."""
    return len(_WORD.findall(text)) + (len(_IDEOGRAPH.findall(text)) + 1) // 2


def words_a_minute(language: str | None = None) -> float:
    """How many words of a language (BCP 47) an adult reads silently in a minute, as `count` counts them.

    English is Brysbaert's mean of 238; the other languages stand to it as reading the same text aloud does in IReST
    (17 languages), because silent reading follows how many words a language needs to say the same (Brysbaert 2019).
    """
    aloud = _ALOUD.get((language or "").replace("_", "-").partition("-")[0].lower())
    return _ENGLISH * aloud / _ALOUD["en"] if aloud else _UNKNOWN


def reading_minutes(words: int, language: str | None = None) -> int:
    """Whole minutes to read so many words of a language, at least 1."""
    return max(1, round(words / words_a_minute(language)))
