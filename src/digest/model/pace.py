"""How fast mail may go to one receiving provider; pure.

The rule is that of Postfix's queue manager (SCHEDULER_README, "concurrency feedback"): a window that grows by
1/window with every mail taken and shrinks by 1/window with every answer that asks for less; below 1 the provider is
dead for a back-off, then one mail finds out. Three things differ, because we speak to a relay and not to the provider:
a window is kept only while there is trouble, at all other times there is no limit; it stands for a rate, since how
many conversations the provider sees is the relay's affair; and the back-off doubles with each pause before it is quiet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

#: Postfix's initial_destination_concurrency.
START = 5.0
#: Mails a second that one unit of the window stands for: with 1/window a mail, the rate grows by 4/s every second.
RATE_OF_ONE = 2.0
#: Shorter at first than Postfix's minimal_backoff_time (300 s): an issue is stale within hours.
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=1)
#: So many refusals for policy or reputation within so long pause a provider for as long (mail-standards 2a).
BLOCKS, BLOCKS_WITHIN = 3, timedelta(hours=1)
#: Quiet for so long, and there is no limit any more.
FORGET_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Pace:
    """Where a provider stands. ``window`` None: no limit; ``backoff`` is the next pause; ``said`` the last complaint.

    ``blocks``: when it refused mail for policy or reputation, lately.
    """

    provider: str
    troubled_at: datetime
    window: float | None = None
    held_until: datetime | None = None
    backoff: timedelta = SHORTEST
    blocks: tuple[datetime, ...] = ()
    said: str = ""

    def is_held(self, now: datetime) -> bool:
        """Whether nothing goes to it at present."""
        return self.held_until is not None and now < self.held_until

    def is_over(self, now: datetime) -> bool:
        """Whether it has been quiet for so long that it needs no watching."""
        quiet_since = max(self.troubled_at, self.held_until or self.troubled_at)
        return now - quiet_since >= FORGET_AFTER and not any(now - at < BLOCKS_WITHIN for at in self.blocks)

    @property
    def rate(self) -> float | None:
        """Mails a second; None for as many as there are."""
        return None if self.window is None else self.window * RATE_OF_ONE

    def time_for(self, count: int) -> timedelta:
        """How long ``count`` more mails take if all of them are taken, so that the rate goes on growing."""
        if self.rate is None:
            return timedelta()
        growth = RATE_OF_ONE**2
        return timedelta(seconds=(math.sqrt(self.rate**2 + 2 * growth * count) - self.rate) / growth)

    def after_successes(self, count: int, now: datetime) -> Pace:
        """So many mails were taken. What was on its way when a pause began tells nothing."""
        if self.window is None or self.is_held(now):
            return self
        # 1/window for each, summed up.
        return replace(self, window=math.sqrt(self.window**2 + 2 * count))

    def after_trouble(self, now: datetime, said: str) -> Pace:
        """It asked for less: 421, or a 4xx about its own limits."""
        if self.is_held(now):
            return self
        before = self.window or START
        after = before - 1 / before
        shrunk = replace(self, window=after, troubled_at=now, said=said)
        return shrunk if after >= 1 else _paused(shrunk, now, self.backoff)

    def after_block(self, now: datetime, said: str) -> Pace:
        """It refused a mail for policy, content or reputation; the third within an hour pauses it."""
        recent = (*(at for at in self.blocks if now - at < BLOCKS_WITHIN), now)
        counted = replace(self, blocks=recent, troubled_at=now, said=said)
        return _paused(counted, now, LONGEST) if len(recent) >= BLOCKS else counted


def _paused(pace: Pace, now: datetime, lasting: timedelta) -> Pace:
    until = max(now + lasting, pace.held_until or now)
    return replace(pace, window=1.0, held_until=until, backoff=min(lasting * 2, LONGEST), blocks=())
