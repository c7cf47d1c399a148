"""Agreeing to be mailed, and how far a request to sign up has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ConsentAct(StrEnum):
    """What the consent ledger records."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"
    UNDONE = "undone"
    IMPORTED = "imported"
    READDRESSED = "readdressed"
    ERASED = "erased"


class SignUpState(StrEnum):
    """``asked`` is not answered yet, ``mailed`` waits for its button; the others are over."""

    ASKED = "asked"
    MAILED = "mailed"
    CONFIRMED = "confirmed"
    KNOWN = "known"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an act came from. ``network`` is a prefix, ``wording`` a version, ``mail`` the dedupe key of a mail."""

    how: str
    page: str = ""
    network: str = ""
    wording: str = ""
    mail: str = ""


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """A line of the ledger."""

    at: datetime
    publication_slug: str
    act: ConsentAct
    digest: bool
    alerts: bool
    origin: Origin
