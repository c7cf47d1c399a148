"""What mail to a reader's address has met with, and when it must not be sent any more.

A refusal is not yet a dead address (mail-standards 2a): what the relay leaves no doubt about ends mail at once, what
may pass is counted, and ends it only when it keeps coming back. Anything that is accepted sets the count to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Hindrance(StrEnum):
    """What kept one mail from a reader's mailbox and may pass."""

    MAILBOX_FULL = "mailbox-full"
    UNREACHABLE = "unreachable"
    NEEDS_SMTPUTF8 = "needs-smtputf8"


class SuppressReason(StrEnum):
    """Why an address is not mailed any more."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    OPERATOR = "operator"
    ERASED = "erased"


#: How often, and over how long a time, until it counts as dead: mail-standards 2a and 1d (D5). An address that needs
#: SMTPUTF8 is never dead for it: the next relay may have that.
_DEAD_AFTER: dict[Hindrance, tuple[int, timedelta]] = {
    Hindrance.MAILBOX_FULL: (4, timedelta(days=14)),
    Hindrance.UNREACHABLE: (2, timedelta(hours=72)),
}


@dataclass(frozen=True, slots=True)
class Strikes:
    """How often one hindrance was met in a row."""

    kind: Hindrance
    count: int
    first_at: datetime
    last_at: datetime

    @property
    def make_dead(self) -> bool:
        """Whether that is often and long enough to give the address up."""
        count, lasting = _DEAD_AFTER.get(self.kind, (0, timedelta.max))
        return bool(count) and self.count >= count and self.last_at - self.first_at >= lasting


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address we must not mail. ``scope`` is ``all``, or ``publication:ID``; ``until`` None means for good."""

    scope: str
    reason: SuppressReason
    detail: str
    created_at: datetime
    until: datetime | None


class DomainVerdict(StrEnum):
    """Whether a domain takes mail. ``unknown``: the DNS gave no answer, which says nothing against it."""

    TAKES_MAIL = "takes-mail"
    NO_MAIL = "no-mail"
    UNKNOWN = "unknown"
