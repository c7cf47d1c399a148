"""What one relay lets this process send, and when: its share of the rate and of the daily quota.

Places in the relay's timetable are reserved in the database about a second's worth at a time (`store.quota`) and
used here one by one; what is left over goes back. Two rules together keep any one second within the rate, as the
relay sees it.

Within this process: a message begins only while fewer than ``rate`` are on the wire or were answered in the last
second, so it does not matter when during its conversation the relay counts it. That second is shortened by most of
the quickest answer there ever was: a message that begins now cannot be counted sooner than that.

Between workers: a place is used in its time, give or take a little, or not at all, the timetable is slower than the
rate by a twentieth, and a message that is answered later than usual costs the next place. Who finds nobody else in the
timetable may use all of the rate, and a place a quarter of a second late; so who comes into a timetable where others
are lets go of the first quarter of a second.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from digest.deliver.warmup import WarmUp
from digest.store import quota
from digest.store.engine import Store
from digest.store.quota import Alone, Grant

#: The timetable is slower than the rate by so much: what one place may be off, from being used late and answered
#: later than usual together; so late it may be used, and so much later answered before it costs the next place.
_SLACK_S = 0.05
_LATE_S, _LATER_S = 0.03, 0.02
#: How late where nobody else is, and the rate is not so low that it would be several places.
_LATE_ALONE_S, _LATE_ALONE_FROM = 0.25, 8.0
#: Others' places lie up to two seconds ahead, and what they sent counts for one more.
_OTHERS_LAST_S = 3.5
#: Reserved at a time: about a second's worth; and ahead of now, by all workers together.
_SHARE_S, _AHEAD_S = 1.0, 2.0
#: Reserve again when less than this is left: a busy database takes a moment.
_LOW_S = 0.5
#: Reserved at a time where only the day is limited: a fiftieth of it, between these.
_DAILY_SHARES = (50, 1000)
#: How much of the quickest answer is believed, after so many.
_BELIEF, _BELIEVE_AFTER = 0.8, 20
#: A used-up day is looked at again, since another worker may have given something back.
_LOOK_AGAIN_S = 60.0


class Place(NamedTuple):
    """Where in the timetable a message is, and when it began (monotonic)."""

    due_at: float
    begun_at: float


_ANYWHERE = Place(0.0, 0.0)


@dataclass(slots=True)
class _Places:
    """Granted places: ``left`` of them, the next at ``next_at`` (monotonic), then one every ``step`` seconds.

    Each may be used ``late_s`` late.
    """

    grant: Grant
    next_at: float
    step: float
    left: int
    late_s: float

    def drop_missed(self, now: float) -> int:
        """Let go of places that are too late to be used; returns how many."""
        if not self.step or now - self.next_at <= self.late_s:
            return 0
        return self.leave_out(math.ceil((now - self.next_at - self.late_s) / self.step))

    def leave_out(self, count: int) -> int:
        """Let go of the next places, as far as there are so many; returns how many that were."""
        gone = min(self.left, count)
        self.left -= gone
        self.next_at += gone * self.step
        return gone

    def count_after(self, now: float) -> int:
        """How many places lie in the future."""
        if not self.step:
            return 0
        past = math.floor((now - self.next_at) / self.step) + 1 if now >= self.next_at else 0
        return max(0, self.left - past)


class Allowance:
    """The limits of one relay, held against everything this process sends through it. No database without limits."""

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        rate: float | None,
        daily_quota: int | None,
        warm_up: WarmUp | None = None,
    ) -> None:
        self._store = store
        self._name = name
        self._scope = f"relay:{name}"
        self.rate = rate
        self.daily_quota = daily_quota
        self._warm_up = warm_up
        #: How much of the rate is used at present: less than all of it after the relay asked for less.
        self.share = 1.0
        self._places: deque[_Places] = deque()  # each with some left
        self._last: Grant | None = None
        self._unspent = 0  # charged to the day, but nothing was sent for it
        self._is_shared = True  # until others have been gone for long enough
        self._others_at = -math.inf  # when there was a sign of them
        self._usual_s = 0.0  # from a place to the answer, lately
        self._quickest_s, self._answer_count = math.inf, 0  # from the beginning to the answer
        self._owed = 0  # places to leave out, because others were used late
        self._on_wire = 0
        self._answered: deque[float] = deque()
        self._renewal: asyncio.Task[None] | None = None
        self._ask_at = 0.0  # monotonic
        #: When the day of a used-up quota ends; None while there is some left.
        self.day_ends_at: datetime | None = None
        #: Why it is used up, for people.
        self.reason = ""

    @property
    def is_unlimited(self) -> bool:
        """Whether there is nothing to count."""
        return self.rate is None and self.daily_quota is None and self._warm_up is None

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

    def begin(self) -> Place:
        """A message begins. Only when `ready_in` said 0. Gives its place, for `end`."""
        self._on_wire += 1
        if self.is_unlimited:
            return _ANYWHERE
        first = self._places[0]
        due_at = first.next_at
        first.leave_out(1)
        if not first.left:
            self._places.popleft()
        return Place(due_at, time.monotonic())

    def end(self, place: Place, *, was_sent: bool) -> None:
        """A message was answered; or did not come to be sent, and so counts for nothing that day."""
        self._on_wire -= 1
        if self.rate is not None:
            now = time.monotonic()
            self._answered.append(now)
            took = now - place.due_at
            self._owed += self._is_shared and took > self._usual_s + _LATER_S
            self._usual_s += (took - self._usual_s) / 10
            if was_sent:
                self._quickest_s = min(self._quickest_s, now - place.begun_at)
                self._answer_count += 1
        self._unspent += not was_sent

    def reserve_soon(self, done: Callable[[], None]) -> None:
        """Start a reservation if one is needed and call ``done`` after it. Raises what an earlier one raised."""
        if self._renewal is not None:
            if not self._renewal.done():
                return
            ended, self._renewal = self._renewal, None
            ended.result()
        left = sum(places.left for places in self._places)
        if not self.is_unlimited and left < max(1.0, self._limit * _LOW_S) and time.monotonic() >= self._ask_at:
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
    def _limit(self) -> float:
        """Messages a second at present."""
        return self.rate * self.share if self.rate is not None else 0.0

    def _drop_missed(self, now: float) -> None:
        while self._places:
            first = self._places[0]
            self._unspent += first.drop_missed(now)
            left_out = first.leave_out(self._owed)
            self._owed -= left_out
            self._unspent += left_out
            if first.left:
                return
            self._places.popleft()

    def _window_opens_in(self, now: float) -> float:
        if self.rate is None:
            return 0.0
        count = max(1, math.floor(self._limit))
        span = count / self._limit
        if self._answer_count > _BELIEVE_AFTER:
            span -= min(span, _BELIEF * self._quickest_s)
        while self._answered and self._answered[0] <= now - span:
            self._answered.popleft()
        excess = self._on_wire + len(self._answered) - count + 1
        if excess <= 0:
            return 0.0
        return self._answered[excess - 1] + span - now if excess <= len(self._answered) else math.inf

    async def _reserve(self) -> None:
        unspent, self._unspent = self._unspent, 0
        grant, now, at = await asyncio.to_thread(self._ask, unspent)
        is_first = self._last is None
        if self._last is None:
            # Nobody before us; or their places lie ahead; or all of them have passed, maybe a moment ago.
            self._others_at = -math.inf if grant.turn == 1 else at if grant.wait > 0 else at + 1.5 - _OTHERS_LAST_S
        elif grant.turn != self._last.turn + 1:
            self._others_at = at
        self._is_shared = at - self._others_at < _OTHERS_LAST_S
        self._last = grant
        self.day_ends_at = quota.midnight_after(now) if grant.is_day_over else None
        self.reason = self._why(now) if grant.is_day_over else ""
        if not grant.granted:
            self._ask_at = at + min(grant.wait, _LOOK_AGAIN_S)
            return
        step = 1 / grant.per_second if grant.per_second else 0.0
        places = _Places(grant, at + grant.wait, step, grant.granted, self._late_s)
        if step and is_first and grant.wait > 0:
            self._unspent += places.leave_out(math.ceil(_LATE_ALONE_S / step))  # others may use theirs so late
        if places.left:
            self._places.append(places)

    @property
    def _late_s(self) -> float:
        return _LATE_S if self._is_shared or self._limit < _LATE_ALONE_FROM else _LATE_ALONE_S

    def _ceiling(self, now: datetime) -> int | None:
        """The most messages of the day: the quota, or what a warm-up allows."""
        warm = self._warm_up.ceiling(now.date()) if self._warm_up is not None else None
        return min((count for count in (self.daily_quota, warm) if count is not None), default=None)

    def _why(self, now: datetime) -> str:
        ceiling = self._ceiling(now)
        if ceiling == self.daily_quota or self._warm_up is None:
            return f"relay {self._name} has used its daily quota of {ceiling} until 00:00 UTC"
        if not ceiling:
            return f"relay {self._name} begins to warm up on {self._warm_up.first_day}"
        return f"relay {self._name} is warming up: {ceiling} today, the rest after 00:00 UTC"

    def _ask(self, unspent: int) -> tuple[Grant, datetime, float]:
        pace = self._limit / (1 + _SLACK_S) if self.rate is not None else None
        alone = None
        if pace is not None and self._last is not None and not self._is_shared:
            alone = Alone(self._last.turn, self._limit)
        with self._store.write() as tx:
            now, at = tx.now(), time.monotonic()
            ceiling = self._ceiling(now)
            if unspent and self._last is not None:
                quota.give_back(tx, self._scope, grant=self._last, unused=unspent, ahead=0, now=now)
            grant = quota.reserve(
                tx,
                self._scope,
                wanted=_daily_share(ceiling) if pace is None else max(1, round(pace * _SHARE_S)),
                per_second=pace,
                capacity=max(2, round((pace or 1) * _AHEAD_S)),
                daily_quota=ceiling,
                now=now,
                alone=alone,
            )
        return grant, now, at

    def _give_back(self, grant: Grant, unused: int, ahead: int) -> None:
        with self._store.write() as tx:
            quota.give_back(tx, self._scope, grant=grant, unused=unused, ahead=ahead, now=tx.now())


def _daily_share(ceiling: int | None) -> int:
    least, most = _DAILY_SHARES
    return most if ceiling is None else max(least, min(most, ceiling // 50))
