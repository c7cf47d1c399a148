"""The fenced right to send, as the process that has it sees it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex


@dataclass(slots=True)
class Lease:
    """A lease of our own. ``good_until`` is monotonic: a process that was stopped sees it pass."""

    lasts: timedelta
    token: str = field(default_factory=lambda: token_hex(12))
    good_until: float = 0.0

    def renewed(self, asked_at: float) -> None:
        """It was taken or renewed by a statement sent at ``asked_at`` (monotonic)."""
        # A tenth early: the database's view is never the shorter.
        self.good_until = asked_at + self.lasts.total_seconds() * 0.9

    @property
    def is_good(self) -> bool:
        """Whether nobody else can have taken over yet."""
        return time.monotonic() < self.good_until
