"""Warming a new sending address up: a ceiling for the day that grows from one day to the next.

Providers know nothing good of an address that has never sent, and throttle or refuse what comes in bulk from it. So
it begins small and with the readers who want the mail most (the order of `store.fanout`). Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class WarmUp:
    """``start`` mails on the first day, ``factor`` times as many on each next; over when that passes ``until``."""

    first_day: date
    start: int
    factor: float
    until: int

    def ceiling(self, day: date) -> int | None:
        """The most mails on ``day`` (UTC); 0 before the first day, None once the warm-up is over."""
        days = (day - self.first_day).days
        if days < 0:
            return 0
        # By logarithms, since 1.5 to the power of a year is no number of mails.
        if math.log(self.start) + days * math.log(self.factor) > math.log(self.until):
            return None
        return math.floor(self.start * self.factor**days + 1e-9)
