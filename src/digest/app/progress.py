"""How far an issue is, how fast it goes and when it will be through: the numbers behind what people are shown.

Rules: a delivery is done when nothing more will be tried: sent, failed or skipped. One in doubt is not done and is
named apart. Time is a parameter everywhere, seconds of any clock that only goes forward.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.app import controls
from digest.app.controls import Waiting
from digest.model.delivery import DeliveryState, OnDoubt, Outcome
from digest.model.issue import Issue
from digest.store import figures, issues, standing
from digest.store.engine import Store

_S = DeliveryState
_DONE = (_S.SENT, _S.FAILED, _S.SKIPPED)
_READY = (_S.PENDING, _S.LEASED, _S.SENDING)
#: The rate is that of so many seconds: long enough to be calm, short enough to show that a relay has slowed down.
WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at an issue. ``rate``: deliveries a second that were settled lately."""

    audience: int
    counts: Mapping[DeliveryState, int]
    rate: float = 0.0

    @property
    def done(self) -> int:
        """Deliveries on which nothing more will be tried."""
        return sum(self.counts[state] for state in _DONE)

    @property
    def ready(self) -> int:
        """Deliveries that can go out as fast as the relays take them; those put off wait for their own time."""
        return sum(self.counts[state] for state in _READY)

    @property
    def left_s(self) -> float | None:
        """Seconds until what is ready has gone out, at the present rate; None when nothing moves, or nothing is left.

        Below a mail in twice the window there is no rate to speak of.
        """
        if not self.ready or self.rate * WINDOW_S * 2 < 1:
            return None
        return self.ready / self.rate

    @property
    def per_state(self) -> dict[str, int]:
        """The counts as documents have them."""
        return {str(state): count for state, count in self.counts.items()}


@dataclass(slots=True)
class Pace:
    """Counts the deliveries of one issue as they are settled, and knows how fast that went in the last ten seconds.

    `begin` sets what the database says, also in between: what another process did, or what time has moved, is not
    speed. Without outcomes of its own (`digest issue watch`) `follow` takes what changed since the last look as speed.
    """

    audience: int = 0
    counts: dict[DeliveryState, int] = field(default_factory=lambda: dict.fromkeys(_S, 0))
    _settled: deque[tuple[float, int]] = field(default_factory=deque)
    _began_at: float | None = None

    def begin(self, audience: int, counts: Mapping[DeliveryState, int], *, now: float) -> None:
        """This is how the issue stands."""
        self.audience, self.counts = audience, dict(counts)
        self._began_at = now if self._began_at is None else self._began_at

    def add(self, outcomes: Sequence[Outcome], *, now: float) -> None:
        """These attempts ended. Each was of a delivery that counted as ready."""
        for outcome in outcomes:
            source = next((state for state in reversed(_READY) if self.counts[state]), None)
            if source is not None and outcome.state is not source:
                self.counts[source] -= 1
                self.counts[outcome.state] += 1
        self._note(sum(outcome.state in _DONE for outcome in outcomes), now=now)

    def follow(self, audience: int, counts: Mapping[DeliveryState, int], *, now: float) -> None:
        """The database says this now; the difference went out meanwhile, whoever sent it."""
        before = sum(self.counts[state] for state in _DONE)
        is_first = self._began_at is None
        self.begin(audience, counts, now=now)
        if not is_first:
            self._note(max(0, sum(counts[state] for state in _DONE) - before), now=now)

    def progress(self, *, now: float) -> Progress:
        """How it stands."""
        return Progress(self.audience, dict(self.counts), self._rate(now))

    def _note(self, count: int, *, now: float) -> None:
        if count:
            self._settled.append((now, count))

    def _rate(self, now: float) -> float:
        while self._settled and self._settled[0][0] <= now - WINDOW_S:
            self._settled.popleft()
        if self._began_at is None or not self._settled:
            return 0.0
        # In the first seconds there is less than a window to look at, and in the first moment nothing to speak of.
        seconds = min(WINDOW_S, max(1.0, now - self._began_at))
        return sum(count for _, count in self._settled) / seconds


@dataclass(frozen=True, slots=True)
class Look:
    """An issue as the database knows it: its state, its numbers, and what it waits for."""

    issue: Issue
    progress: Progress
    waiting: Waiting | None


def look(store: Store, issue_id: int, *, on_doubt: OnDoubt, with_rate: bool = False) -> Look:
    """Read how an issue stands. ``with_rate`` also counts what the relays took in the last ten seconds.

    Raises NotFound.
    """
    with store.read() as tx:
        issue, now = issues.get(tx, issue_id), tx.now()
        tally = standing.tally(tx, issue_id)
        rate = 0.0
        if with_rate:
            lately = now - timedelta(seconds=WINDOW_S)
            rate = figures.sent_since(tx, issue_id, instant=lately) / WINDOW_S
        return Look(
            issue, Progress(tally.audience, tally.counts, rate), controls.waiting(tx, issue, on_doubt=on_doubt, now=now)
        )


def waits_for(waiting: Waiting, *, now: datetime) -> str:
    """Why it waits and until when, in one line and in this machine's local time."""
    if waiting.next_try_at is None:
        return waiting.reason
    return f"{waiting.reason}; next try {local_time(waiting.next_try_at, now=now)}"


def local_time(instant: datetime, *, now: datetime) -> str:
    """The wall clock's time of an instant, as short as it can be said: 10:42, soon 10:42:07, tomorrow with its day."""
    there, here = instant.astimezone(), now.astimezone()
    if abs(instant - now) < timedelta(minutes=10):
        return f"{there:%H:%M:%S}"
    return f"{there:%H:%M}" if there.date() == here.date() else f"{there:%a %H:%M}"
