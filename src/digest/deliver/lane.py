"""One relay as the router sees it: its limits, its health, and how much it is trusted with after trouble.

A relay that fails is left alone for a pause that doubles, then one mail finds out. One that asks for less (421, 454)
gets half of its rate and half of its connections besides, and has them back slowly: twice as much every minute.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog

from digest.deliver.allowance import Allowance
from digest.deliver.health import RelayHealth
from digest.deliver.warmup import WarmUp
from digest.model.errors import RelayRefused, RelayUnreachable
from digest.smtp.connection import SendResult
from digest.smtp.pool import Pool
from digest.smtp.replies import Verdict
from digest.text.discreet import discreet

log = structlog.get_logger()

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 300.0
#: What Amazon SES asks for at most when it throttles: up to ten minutes.
_LONGEST_THROTTLE_S = 600.0
_DAY_IS_OVER = re.compile(r"daily[^.]{0,40}quota", re.IGNORECASE)
_LEAST_SHARE, _DOUBLES_IN_S = 1 / 16, 60.0
#: How long a wait goes on without looking whether anything has changed.
GLANCE_S = 0.25


@dataclass(frozen=True, slots=True)
class Limits:
    """What a relay allows: messages a second, messages a UTC day, and its place in line (lower goes first)."""

    rate: float | None = None
    daily_quota: int | None = None
    priority: int = 10
    warm_up: WarmUp | None = None

    def ceiling(self, day: date) -> int | None:
        """The most messages on a UTC day while the relay warms up; None when it does not."""
        return None if self.warm_up is None else self.warm_up.ceiling(day)


@dataclass(frozen=True, slots=True)
class Routed(SendResult):
    """How one mail ended, and through which relay. ``retry_at``: when that relay may be asked again."""

    relay: str = ""
    retry_at: datetime | None = None


Trouble = RelayUnreachable | RelayRefused | Routed


class Lane:
    """One relay with its limits and its health. Times are monotonic seconds."""

    def __init__(self, pool: Pool, limits: Limits, allowance: Allowance) -> None:
        self.pool = pool
        self.name = pool.relay.name
        self.priority = limits.priority
        self.allowance = allowance
        self.in_flight = 0
        self.trouble: Trouble | None = None
        self._about = ""  # the address it was about
        self._pause_s = 0.0
        self._well_again_at = 0.0
        self._share, self._shared_at = 1.0, 0.0

    @property
    def load(self) -> float:
        """How much of it is in use."""
        return self.in_flight / self.pool.relay.connections

    @property
    def is_unbounded(self) -> bool:
        """Whether nothing at all stands between a mail and this relay."""
        return self.trouble is None and self._share >= 1 and self.allowance.is_unlimited

    def is_paused(self, now: float) -> bool:
        """Whether it is left alone."""
        return now < self._well_again_at

    @property
    def is_throttled(self) -> bool:
        """Whether the last it said was that it is too busy."""
        return isinstance(self.trouble, Routed) and self.trouble.verdict is Verdict.RELAY_BUSY

    @property
    def is_on_trial(self) -> bool:
        """A relay that was unwell gets one message; the others wait for what becomes of it, or go elsewhere."""
        return self.trouble is not None and self.in_flight > 0

    def well_again_in(self, now: float) -> float:
        """Seconds until its pause is over."""
        return self._well_again_at - now

    def well_again_at(self, now: float) -> datetime:
        """When its pause is over, by the calendar."""
        return datetime.now(UTC) + timedelta(seconds=max(0.0, self.well_again_in(now)))

    def ready_in(self, now: float) -> float:
        """Seconds until a message may begin."""
        if self.is_on_trial or self.in_flight >= self._room(now):
            return GLANCE_S  # a place taken now would be used too late
        return self.allowance.ready_in(now)

    def _room(self, now: float) -> float:
        """How many messages may be under way."""
        if self._share < 1:
            share = min(1.0, self._share * 2 ** (max(0.0, now - self._shared_at) / _DOUBLES_IN_S))
            if share >= 1:
                self._share = share
            self.allowance.share = share
            if share < 1:
                return max(1.0, self.pool.relay.connections * share)
        return float("inf") if self.allowance.is_unlimited else 2.0 * self.pool.relay.connections

    def health(self, now: float) -> RelayHealth:
        """How it stands, for those who watch."""
        paused_s = max(0.0, self.well_again_in(now))
        return RelayHealth(self.name, self.pool.connection_count, paused_s, self.allowance.is_used_up)

    def failed(self, trouble: Trouble, *, about: str = "") -> bool:
        """Leave it alone for a while; False if that was known (what was on the wire beside the first failure)."""
        now = time.monotonic()
        if self.is_paused(now):
            return False
        self.trouble, self._about = trouble, about
        longest = _LONGEST_THROTTLE_S if self.is_throttled else _LONGEST_PAUSE_S
        self._pause_s = min(max(_FIRST_PAUSE_S, self._pause_s * 2), longest)
        if self.is_throttled:
            share = min(1.0, self._share * 2 ** (max(0.0, now - self._shared_at) / _DOUBLES_IN_S))
            self._share = max(_LEAST_SHARE, share / 2)
            if isinstance(trouble, Routed) and trouble.reply and _DAY_IS_OVER.search(trouble.reply.text):
                self._pause_s = longest
        self._well_again_at = self._shared_at = now + self._pause_s
        return True

    def report(self) -> None:
        """Tell the log that it is left alone, and why."""
        log.warning("relay.unwell", relay=self.name, pause_s=self._pause_s, said=self.said, share=self._share)

    def hold(self, trouble: Trouble, *, seconds: float) -> None:
        """Leave it alone because another worker, or this one before, was told to."""
        self.trouble, self._pause_s = trouble, seconds
        self._well_again_at = time.monotonic() + seconds

    def works(self) -> None:
        """It took something: the pause is over, the share grows on."""
        if self.trouble is not None:
            log.info("relay.well_again", relay=self.name)
        self.trouble, self._pause_s, self._well_again_at = None, 0.0, 0.0

    @property
    def said(self) -> str:
        """What was the matter, in the relay's words or ours."""
        told = self.trouble.reply if isinstance(self.trouble, Routed) else self.trouble and self.trouble.message
        return discreet(str(told or "connection lost"), self._about)
