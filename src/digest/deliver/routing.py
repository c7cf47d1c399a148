"""Which relay a message takes, when it may begin, and where it goes when a relay fails.

A relay with a lower priority number goes first; among equals it is the one with most room. A relay at its rate is
waited for, one that is unwell or has used up its day is passed over. A message moves on to the next relay only while
it certainly was not accepted (unreachable, refused at login, 421, 454, connection lost before the final dot): a
doubt and any other reply are final, or somebody would get two. Waiting happens here, with a reason that can be shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

import structlog

from digest.deliver.allowance import Allowance
from digest.model.errors import RelayRefused, RelayUnreachable
from digest.smtp.connection import SendResult
from digest.smtp.pool import Pool
from digest.smtp.relay import Relay
from digest.smtp.replies import Verdict
from digest.store.engine import Store

log = structlog.get_logger()

_MOVE_ON = frozenset({Verdict.RELAY_BUSY, Verdict.LOST})  # certainly not accepted, and the relay's own trouble
_WELL = frozenset({Verdict.ACCEPTED, Verdict.DEFERRED, Verdict.REJECTED, Verdict.NEEDS_SMTPUTF8})
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 300.0
_GLANCE_S = 0.25  # how long a wait goes on without looking whether we are to stop


class QuotaUsedUp(RelayUnreachable):
    """No relay may send more today. ``until`` is when that changes; the deliveries wait."""

    def __init__(self, message: str, *, until: datetime | None = None) -> None:
        self.until = until
        super().__init__(message, hint="nothing was lost; the next run, or `digest serve`, goes on by itself")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a relay allows: messages a second, messages a UTC day, and its place in line (lower goes first)."""

    rate: float | None = None
    daily_quota: int | None = None
    priority: int = 10

    @property
    def is_open(self) -> bool:
        """Whether as much may be sent as it takes."""
        return self.rate is None and self.daily_quota is None


@dataclass(frozen=True, slots=True)
class Routed(SendResult):
    """How one mail ended, and through which relay."""

    relay: str = ""


class _Lane:
    """One relay with its limits and its health."""

    def __init__(self, pool: Pool, limits: Limits, allowance: Allowance) -> None:
        self.pool = pool
        self.name = pool.relay.name
        self.priority = limits.priority
        self.allowance = allowance
        self.in_flight = 0
        self.trouble: RelayUnreachable | RelayRefused | Routed | None = None
        self._pause_s = 0.0
        self._well_again_at = 0.0

    @property
    def load(self) -> float:
        return self.in_flight / self.pool.relay.connections

    def is_paused(self, now: float) -> bool:
        return now < self._well_again_at

    @property
    def is_on_trial(self) -> bool:
        """A relay that was unwell gets one message; the others wait for what becomes of it, or go elsewhere."""
        return self.trouble is not None and self.in_flight > 0

    def ready_in(self, now: float) -> float:
        if self.is_on_trial:
            return _GLANCE_S
        if not self.allowance.is_unlimited and self.in_flight >= 2 * self.pool.relay.connections:
            return _GLANCE_S  # a place taken now would be used too late
        return self.allowance.ready_in(now)

    def failed(self, trouble: RelayUnreachable | RelayRefused | Routed) -> None:
        now = time.monotonic()
        if self.is_paused(now):
            return  # what was on the wire beside the first failure
        self.trouble = trouble
        self._pause_s = min(max(_FIRST_PAUSE_S, self._pause_s * 2), _LONGEST_PAUSE_S)
        self._well_again_at = now + self._pause_s
        said = trouble.reply if isinstance(trouble, Routed) else trouble.message
        log.warning("relay.unwell", relay=self.name, pause_s=self._pause_s, said=str(said or "connection lost"))

    def works(self) -> None:
        if self.trouble is not None:
            log.info("relay.well_again", relay=self.name)
        self.trouble, self._pause_s, self._well_again_at = None, 0.0, 0.0


class Router:
    """Several relays that look like one pool; an async context manager, to be used from any number of tasks.

    ``waiting`` is told why nothing goes out at the moment, and ``""`` when it goes on.
    """

    def __init__(
        self,
        routes: Sequence[tuple[Relay, Limits]],
        store: Store,
        *,
        stop: asyncio.Event,
        waiting: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        if not routes:
            raise ValueError("a router needs at least one relay")
        ordered = sorted(routes, key=lambda route: route[1].priority)
        self._lanes = [
            _Lane(
                Pool(relay),
                limits,
                Allowance(store, relay.name, rate=limits.rate, daily_quota=limits.daily_quota),
            )
            for relay, limits in ordered
        ]
        self._stop = stop
        self._waiting = waiting
        self._told, self._told_at = "", 0.0
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def relay(self) -> Relay:
        """The relay that comes first, for what was not sent through any."""
        return self._lanes[0].pool.relay

    async def __aenter__(self) -> Self:
        """Raises QuotaUsedUp if nothing at all can be sent, before any delivery is claimed."""
        for lane in self._lanes:
            await lane.allowance.prepare()
        if all(lane.allowance.is_used_up for lane in self._lanes):
            raise self._used_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lane in self._lanes:
            await lane.pool.__aexit__(kind, error, trace)
        for lane in self._lanes:
            await lane.allowance.close()

    async def send(self, mail_from: str, rcpt_to: str, wire: bytes) -> Routed:
        """Send one mail through the best relay that takes it; see `Pool.send`.

        Raises QuotaUsedUp when no relay may send more today (or we are to stop), and the last relay's
        RelayUnreachable or RelayRefused when none is left.
        """
        tried: list[_Lane] = []
        last: RelayUnreachable | RelayRefused | Routed | None = None
        while True:
            found = await self._next_lane(tried)
            if found is None:
                return self._give_up(last)
            lane, due_at = found
            was_sent = True
            try:
                result = await lane.pool.send(mail_from, rcpt_to, wire)
                routed = Routed(result.verdict, result.reply, result.phase, lane.name)
                if routed.verdict not in _MOVE_ON:
                    if routed.verdict in _WELL:
                        lane.works()
                    return routed
                last = routed
            except (RelayUnreachable, RelayRefused) as error:
                was_sent, last = False, error
            finally:
                lane.in_flight -= 1
                lane.allowance.end(due_at, was_sent=was_sent)
                self._changed.set()
            lane.failed(last)
            tried.append(lane)

    async def _next_lane(self, tried: Collection[_Lane]) -> tuple[_Lane, float] | None:
        """The lane to take and the time of its place, both already counted as taken; None when none is left."""
        # One waits for the next free place, the others behind it; who comes from a failed relay has waited already.
        async with contextlib.nullcontext() if tried else self._turn:
            while True:
                now = time.monotonic()
                lanes = self._usable(tried, now)
                if not lanes:
                    return None
                waits = [(lane.ready_in(now), lane.load, lane) for lane in lanes]
                for lane in lanes:
                    lane.allowance.reserve_soon(self._changed.set)
                free = [(load, at, lane) for at, (wait, load, lane) in enumerate(waits) if wait <= 0]
                if free:
                    lane = min(free)[2]
                    due_at = lane.allowance.begin()
                    lane.in_flight += 1
                    self._tell("", now)
                    return lane, due_at
                self._tell(_at_their_rate(lanes), now)
                await self._until_changed(min(wait for wait, _, _ in waits))

    def _usable(self, tried: Collection[_Lane], now: float) -> list[_Lane]:
        """The lanes of the first priority that has any, those on trial only if there are no others."""
        fit = [
            lane
            for lane in self._lanes
            if lane not in tried and not lane.is_paused(now) and not lane.allowance.is_used_up
        ]
        fit = [lane for lane in fit if not lane.is_on_trial] or fit
        return [lane for lane in fit if lane.priority == fit[0].priority]

    def _give_up(self, last: RelayUnreachable | RelayRefused | Routed | None) -> Routed:
        unwell = [lane.trouble for lane in self._lanes if lane.trouble is not None]
        trouble = last or (unwell[-1] if unwell else None)
        if trouble is None:
            raise self._used_up()
        if isinstance(trouble, Routed):
            return trouble
        raise type(trouble)(trouble.message, hint=trouble.hint)

    def _used_up(self) -> QuotaUsedUp:
        ended = [lane for lane in self._lanes if lane.allowance.day_ends_at is not None]
        told = [
            f"relay {lane.name} has used its daily quota of {lane.allowance.daily_quota} until 00:00 UTC"
            for lane in ended
        ]
        until = min((lane.allowance.day_ends_at for lane in ended if lane.allowance.day_ends_at), default=None)
        return QuotaUsedUp("; ".join(told), until=until)

    async def _until_changed(self, wait: float) -> None:
        if self._stop.is_set():
            raise QuotaUsedUp("stopped while waiting for a relay")
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), min(wait, _GLANCE_S))

    def _tell(self, reason: str, now: float) -> None:
        """Pass on why we wait, not each of the short waits in between."""
        if reason:
            self._told_at = now
        if reason != self._told and (reason or now - self._told_at > 1):
            self._told = reason
            self._waiting(reason)


def _at_their_rate(lanes: Sequence[_Lane]) -> str:
    names = [lane.name for lane in lanes if lane.allowance.rate is not None]
    if not names:
        return ""
    if len(names) == 1:
        return f"relay {names[0]} is at its rate"
    return f"relays {', '.join(names[:-1])} and {names[-1]} are at their rates"


def relay_of_result(carrier: Pool | Router, result: SendResult) -> str:
    """The name of the relay a mail really went through."""
    return result.relay if isinstance(result, Routed) else carrier.relay.name
