"""Where people read their mail, by the domain of their address: a button that saves them the way to the inbox."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Inbox:
    """A provider's name as people know it, and the page of its inbox."""

    name: str
    url: str


_OUTLOOK = ("Outlook", "https://outlook.live.com/mail/0/")
_YAHOO = ("Yahoo Mail", "https://mail.yahoo.com/")
_PROTON = ("Proton Mail", "https://mail.proton.me/")
_ICLOUD = ("iCloud Mail", "https://www.icloud.com/mail")
_GMX = ("GMX", "https://www.gmx.net/")
_INBOXES = {
    "outlook.com": _OUTLOOK,
    "hotmail.com": _OUTLOOK,
    "live.com": _OUTLOOK,
    "msn.com": _OUTLOOK,
    "yahoo.com": _YAHOO,
    "ymail.com": _YAHOO,
    "yahoo.co.uk": _YAHOO,
    "yahoo.fr": _YAHOO,
    "yahoo.de": _YAHOO,
    "aol.com": ("AOL Mail", "https://mail.aol.com/"),
    "icloud.com": _ICLOUD,
    "me.com": _ICLOUD,
    "mac.com": _ICLOUD,
    "proton.me": _PROTON,
    "protonmail.com": _PROTON,
    "pm.me": _PROTON,
    "fastmail.com": ("Fastmail", "https://app.fastmail.com/mail/"),
    "gmx.de": _GMX,
    "gmx.net": _GMX,
    "gmx.com": ("GMX", "https://www.gmx.com/"),
    "web.de": ("WEB.DE", "https://web.de/"),
    "t-online.de": ("T-Online", "https://email.t-online.de/"),
    "orange.fr": ("Orange", "https://mail.orange.fr/"),
    "laposte.net": ("La Poste", "https://www.laposte.net/"),
    "libero.it": ("Libero", "https://mail.libero.it/"),
    "zoho.com": ("Zoho Mail", "https://mail.zoho.com/"),
}


def inbox_of(email: str, *, sender: str) -> Inbox | None:
    """The inbox of an address; Gmail's shows what came from ``sender`` in the last hour, wherever it was filed."""
    domain = email.rpartition("@")[2].lower()
    if domain in {"gmail.com", "googlemail.com"}:
        search = quote(f"from:({sender}) in:anywhere newer_than:1h", safe="")
        return Inbox("Gmail", f"https://mail.google.com/mail/u/0/#search/{search}")
    found = _INBOXES.get(domain)
    return Inbox(*found) if found else None
