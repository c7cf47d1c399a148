"""Counting words and the minutes they take to read."""

from __future__ import annotations

import re

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[^\W{_CJK}]+(?:[’'-][^\W{_CJK}]+)*")
_IDEOGRAPH = re.compile(f"[{_CJK}]")
_WORDS_A_MINUTE = 230


def count(text: str) -> int:
    """Number of words; scripts without spaces count half a word for each character."""
    return len(_WORD.findall(text)) + (len(_IDEOGRAPH.findall(text)) + 1) // 2


def reading_minutes(words: int) -> int:
    """Whole minutes to read so many words, at least 1, at 230 words a minute."""
    return max(1, round(words / _WORDS_A_MINUTE))
