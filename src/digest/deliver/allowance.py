"""What one relay lets this process send, and when: its share of the rate and of the daily quota.

Places in the relay's timetable are reserved in the database about a second's worth at a time (`store.quota`) and
used here one by one; what is left over goes back. Two rules together keep any one second within the rate, as the
relay sees it. Between workers: a place is used within a twentieth of a second or not at all, the timetable is
slower than the rate by as much, and a message that is answered later than usual costs the next place. Within this
process: a message begins only while fewer than ``rate`` are on the wire or were answered in the last second, so it
does not matter when during its conversation the relay counts it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from digest.store import quota
from digest.store.engine import Store
from digest.store.quota import Grant

#: How late a place may be used. The timetable is slower than the rate by this much.
_LATE_S = 0.05
#: Reserved at a time: about a second's worth; and ahead of now, by all workers together.
_SHARE_S, _AHEAD_S = 1.0, 2.0
#: Reserve again when less than this is left.
_LOW_S = 0.3
#: Reserved at a time where only the day is limited.
_DAILY_SHARE = 50
#: A used-up day is looked at again, since another worker may have given something back.
_LOOK_AGAIN_S = 60.0


@dataclass(slots=True)
class _Places:
    """Granted places: ``left`` of them, the next at ``next_at`` (monotonic), then one every ``step`` seconds."""

    grant: Grant
    next_at: float
    step: float
    left: int

    def drop_missed(self, now: float) -> int:
        """Let go of places that are too late to be used; returns how many."""
        if not self.step or now - self.next_at <= _LATE_S:
            return 0
        missed = min(self.left, math.ceil((now - self.next_at - _LATE_S) / self.step))
        self.left -= missed
        self.next_at += missed * self.step
        return missed

    def count_after(self, now: float) -> int:
        """How many places lie in the future."""
        if not self.step:
            return 0
        past = math.floor((now - self.next_at) / self.step) + 1 if now >= self.next_at else 0
        return max(0, self.left - past)


class Allowance:
    """The limits of one relay, held against everything this process sends through it. No database without limits."""

    def __init__(self, store: Store, name: str, *, rate: float | None, daily_quota: int | None) -> None:
        self._store = store
        self._scope = f"relay:{name}"
        self.rate = rate
        self.daily_quota = daily_quota
        self._places: deque[_Places] = deque()  # each with some left
        self._last: Grant | None = None
        self._unspent = 0  # charged to the day, but nothing was sent for it
        self._is_shared = True  # until two reservations of ours follow each other
        self._usual_s = 0.0  # from a place to the answer, lately
        self._owed = 0  # places to leave out, because others were used late
        self._on_wire = 0
        self._answered: deque[float] = deque()
        self._renewal: asyncio.Task[None] | None = None
        self._ask_at = 0.0  # monotonic
        #: When the day of a used-up quota ends; None while there is some left.
        self.day_ends_at: datetime | None = None

    @property
    def is_unlimited(self) -> bool:
        """Whether there is nothing to count."""
        return self.rate is None and self.daily_quota is None

    @property
    def is_used_up(self) -> bool:
        """Whether nothing more can be sent today, as far as is known."""
        return self.day_ends_at is not None and not self._places and time.monotonic() < self._ask_at

    def ready_in(self, now: float) -> float:
        """Seconds until a message may begin; 0 for now, infinity while a reservation is under way."""
        if self.is_unlimited:
            return 0.0
        self._drop_missed(now)
        if not self._places:
            return self._ask_at - now if self._ask_at > now else math.inf
        return max(0.0, self._places[0].next_at - now if self.rate else 0.0, self._window_opens_in(now))

    def begin(self) -> float:
        """A message begins. Only when `ready_in` said 0. Gives the time of its place, for `end`."""
        self._on_wire += 1
        if self.is_unlimited:
            return 0.0
        first = self._places[0]
        due_at = first.next_at
        first.left -= 1
        first.next_at += first.step
        if not first.left:
            self._places.popleft()
        return due_at

    def end(self, due_at: float, *, was_sent: bool) -> None:
        """A message was answered; or did not come to be sent, and so counts for nothing that day."""
        self._on_wire -= 1
        if self.rate is not None:
            now = time.monotonic()
            self._answered.append(now)
            took = now - due_at
            self._owed += self._is_shared and took > self._usual_s + _LATE_S
            self._usual_s += (took - self._usual_s) / 10
        self._unspent += not was_sent

    def reserve_soon(self, done: Callable[[], None]) -> None:
        """Start a reservation if one is needed and call ``done`` after it. Raises what an earlier one raised."""
        if self._renewal is not None:
            if not self._renewal.done():
                return
            ended, self._renewal = self._renewal, None
            ended.result()
        left = sum(places.left for places in self._places)
        if not self.is_unlimited and left < max(1.0, self._pace * _LOW_S) and time.monotonic() >= self._ask_at:
            self._renewal = asyncio.create_task(self._reserve())
            self._renewal.add_done_callback(lambda _task: done())

    async def prepare(self) -> None:
        """Have a first reservation made, so that `is_used_up` is known."""
        self.reserve_soon(lambda: None)
        if self._renewal is not None:
            await self._renewal

    async def close(self) -> None:
        """Return what is left."""
        if self._renewal is not None:
            await asyncio.wait([self._renewal])
        now = time.monotonic()
        self._drop_missed(now)
        if self._last is None:
            return
        unused = self._unspent + sum(places.left for places in self._places)
        is_last = self._places and self._places[-1].grant is self._last
        ahead = self._places[-1].count_after(now) if is_last else 0
        if unused:
            await asyncio.to_thread(self._give_back, self._last, unused, ahead)

    @property
    def _pace(self) -> float:
        return self.rate / (1 + _LATE_S) if self.rate is not None else 0.0

    def _drop_missed(self, now: float) -> None:
        while self._places:
            first = self._places[0]
            self._unspent += first.drop_missed(now)
            left_out = min(self._owed, first.left)
            self._owed -= left_out
            self._unspent += left_out
            first.left -= left_out
            first.next_at += left_out * first.step
            if first.left:
                return
            self._places.popleft()

    def _window_opens_in(self, now: float) -> float:
        if self.rate is None:
            return 0.0
        count = max(1, math.floor(self.rate))
        span = count / self.rate
        while self._answered and self._answered[0] <= now - span:
            self._answered.popleft()
        excess = self._on_wire + len(self._answered) - count + 1
        if excess <= 0:
            return 0.0
        return self._answered[excess - 1] + span - now if excess <= len(self._answered) else math.inf

    async def _reserve(self) -> None:
        unspent, self._unspent = self._unspent, 0
        grant, now, at = await asyncio.to_thread(self._ask, unspent)
        self._is_shared = self._last is None or grant.turn != self._last.turn + 1
        self._last = grant
        self.day_ends_at = quota.midnight_after(now) if grant.is_day_over else None
        if grant.granted:
            step = 1 / self._pace if self.rate is not None else 0.0
            self._places.append(_Places(grant, next_at=at + grant.wait, step=step, left=grant.granted))
        else:
            self._ask_at = at + min(grant.wait, _LOOK_AGAIN_S)

    def _ask(self, unspent: int) -> tuple[Grant, datetime, float]:
        pace = self._pace if self.rate is not None else None
        with self._store.write() as tx:
            now, at = tx.now(), time.monotonic()
            if unspent and self._last is not None:
                quota.give_back(tx, self._scope, grant=self._last, unused=unspent, ahead=0, now=now)
            grant = quota.reserve(
                tx,
                self._scope,
                wanted=_DAILY_SHARE if pace is None else max(1, round(pace * _SHARE_S)),
                per_second=pace,
                capacity=max(2, round((pace or 1) * _AHEAD_S)),
                daily_quota=self.daily_quota,
                now=now,
            )
        return grant, now, at

    def _give_back(self, grant: Grant, unused: int, ahead: int) -> None:
        with self._store.write() as tx:
            quota.give_back(tx, self._scope, grant=grant, unused=unused, ahead=ahead, now=tx.now())
