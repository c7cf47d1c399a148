"""What mail clients understand: the table of facts, and which clients are asked about.

Rules: the table is data of our own, written by ``tools/compat_facts.py``; its source is named in it. A fact has a day
on which it was tested, and the day is part of every finding: much of what is known is years old.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

#: Whom a finding is about unless somebody asks for others: nearly all readers of newsletters.
DEFAULT_CLIENTS = (
    "apple-mail.ios",
    "apple-mail.macos",
    "gmail.android",
    "gmail.desktop-webmail",
    "gmail.ios",
    "outlook.android",
    "outlook.ios",
    "outlook.macos",
    "outlook.outlook-com",
    "outlook.windows",
    "samsung-email.android",
    "thunderbird.macos",
    "yahoo.android",
    "yahoo.desktop-webmail",
    "yahoo.ios",
)

_FAMILIES = {
    "apple-mail": "Apple Mail",
    "gmail": "Gmail",
    "outlook": "Outlook",
    "samsung-email": "Samsung Email",
    "thunderbird": "Thunderbird",
    "yahoo": "Yahoo",
    "aol": "AOL",
    "fastmail": "Fastmail",
    "gmx": "GMX",
    "mail-ru": "Mail.ru",
    "orange": "Orange",
    "protonmail": "Proton Mail",
    "web-de": "WEB.DE",
}
_PLATFORMS = {
    "ios": "iOS",
    "macos": "Mac",
    "android": "Android",
    "windows": "Windows",
    "desktop-webmail": "web",
    "mobile-webmail": "mobile web",
    "outlook-com": ".com",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """How far each client supports one feature: ``y``, ``a`` in part, ``n`` not, ``-`` unknown."""

    feature: str
    tested_on: str
    support: dict[str, str]

    def without(self, clients: tuple[str, ...], letter: str) -> tuple[str, ...]:
        """The clients, of these, that this letter stands for."""
        return tuple(client for client in clients if self.support.get(client) == letter)


@lru_cache(maxsize=1)
def table() -> dict[str, Fact]:
    """Feature → fact."""
    raw = json.loads((resources.files("digest.workshop") / "compat_facts.json").read_text(encoding="utf-8"))
    clients = raw["clients"]
    return {
        feature: Fact(feature, tested_on, dict(zip(clients, letters, strict=True)))
        for feature, (tested_on, letters) in raw["features"].items()
    }


def known_clients() -> tuple[str, ...]:
    """Every client of the table."""
    return tuple(next(iter(table().values())).support)


def client_name(client: str) -> str:
    """``outlook.windows`` as people say it: Outlook Windows."""
    family, _, platform = client.partition(".")
    name = _PLATFORMS.get(platform, platform)
    return _FAMILIES.get(family, family) + ("" if name.startswith(".") else " ") + name


def client_names(clients: tuple[str, ...]) -> str:
    """Several clients as people say them: ``Gmail, Outlook (iOS, Windows), Thunderbird Mac``.

    A family stands alone where all of its common clients are meant.
    """
    by_family: dict[str, list[str]] = {}
    for client in clients:
        by_family.setdefault(client.partition(".")[0], []).append(client)
    return ", ".join(_family(family, members) for family, members in by_family.items())


def _family(family: str, members: list[str]) -> str:
    common = {client for client in DEFAULT_CLIENTS if client.startswith(f"{family}.")}
    name = _FAMILIES.get(family, family)
    if len(members) == 1:
        return client_name(members[0])
    if common and common <= set(members):
        return name
    platforms = [_PLATFORMS.get(one.partition(".")[2], one.partition(".")[2]) for one in members]
    return f"{name} ({', '.join('Outlook.com' if one == '.com' else one for one in platforms)})"
