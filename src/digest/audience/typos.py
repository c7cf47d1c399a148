"""Hints for slips of the keyboard in a domain. A hint, never a verdict: whoever says it is right is believed.

Only domains that very many people have are suggested, and only for what is one edit (Damerau: an insertion, a deletion,
a substitution, two letters swapped) away from one of them and is none of them itself.
"""

from __future__ import annotations

from functools import cache

#: Domains of large mailbox providers, and some whose names are near to those (they are no slips).
_PROVIDERS = (
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "hotmail.co.uk",
    "hotmail.fr",
    "live.com",
    "msn.com",
    "yahoo.com",
    "yahoo.co.uk",
    "yahoo.fr",
    "yahoo.de",
    "ymail.com",
    "icloud.com",
    "proton.me",
    "protonmail.com",
    "fastmail.com",
    "web.de",
    "gmx.de",
    "gmx.net",
    "gmx.com",
    "t-online.de",
    "freenet.de",
    "orange.fr",
    "free.fr",
    "laposte.net",
    "libero.it",
    "comcast.net",
    "verizon.net",
    "qq.com",
    "naver.com",
    "aol.com",
)
_NO_SLIPS = frozenset({"mail.com", "email.com", "ymail.com", "yahoo.co", "hotmail.de", "outlook.de", "outlook.fr"})
_SHORTEST = 9  # "gmx.de" or "live.com" are one edit from too many honest domains


def suggest(email: str) -> str | None:
    """The address that was probably meant, or None."""
    local, _, domain = email.rpartition("@")
    meant = _meant(domain.lower())
    return f"{local}@{meant}" if local and meant else None


@cache
def _edits(word: str) -> frozenset[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-."
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    deleted = {left + right[1:] for left, right in cuts if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    replaced = {left + letter + right[1:] for left, right in cuts if right for letter in letters}
    added = {left + letter + right for left, right in cuts for letter in letters}
    return frozenset(deleted | swapped | replaced | added)


@cache
def _slips() -> dict[str, str]:
    """Every slip and the first provider it may stand for."""
    found: dict[str, str] = {}
    for provider in _PROVIDERS:
        if len(provider) >= _SHORTEST:
            for slip in _edits(provider):
                found.setdefault(slip, provider)
    for honest in (*_PROVIDERS, *_NO_SLIPS):
        found.pop(honest, None)
    return found


def _meant(domain: str) -> str | None:
    return _slips().get(domain)
