"""Which provider receives mail for a domain, as far as it can be known without asking the DNS.

Only what its owner gives away under several names: the provider counts our mail for all of them together. A company's
own domain that is hosted somewhere is a provider of its own here.
"""

from __future__ import annotations

_FAMILIES: dict[str, tuple[str, ...]] = {
    "gmail.com": ("googlemail.com",),
    "outlook.com": ("hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.fr", "hotmail.de", "live.co.uk"),
    "yahoo.com": ("ymail.com", "rocketmail.com", "aol.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "yahoo.es"),
    "icloud.com": ("me.com", "mac.com"),
    "gmx.net": ("gmx.de", "gmx.at", "gmx.ch", "web.de"),
    "proton.me": ("protonmail.com", "pm.me"),
    "orange.fr": ("wanadoo.fr",),
    "mail.ru": ("bk.ru", "inbox.ru", "list.ru"),
    "yandex.ru": ("yandex.com", "ya.ru"),
}
_NAMES = {domain: name for name, others in _FAMILIES.items() for domain in others}


def provider_of(domain: str) -> str:
    """The name under which a provider is known: ``outlook.com`` for ``hotmail.com``, else the domain itself."""
    lower = domain.lower()
    return _NAMES.get(lower, lower)


def domain_of(email: str) -> str:
    """What follows the last at sign."""
    return email.rpartition("@")[2]
