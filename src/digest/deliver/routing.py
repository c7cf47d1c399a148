"""Which relay a message takes, when it may begin, and where it goes when a relay fails.

A relay with a lower priority number goes first; among equals it is the one with most room. A relay at its rate is
waited for, one that is unwell or has used up its day is passed over. A message moves on to the next relay only while
it certainly was not accepted (unreachable, refused at login, 421, 454, connection lost before the final dot): a
doubt and any other reply are final, or somebody would get two. Waiting happens here, with a reason that can be shown.
A single relay that asks for patience is waited for, too, if it will not be long.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import structlog

from digest.deliver.allowance import Allowance, Place
from digest.deliver.health import RelayHealth
from digest.deliver.lane import GLANCE_S, Lane, Limits, Routed, Trouble
from digest.model.errors import RelayRefused, RelayUnreachable
from digest.smtp.connection import SendResult
from digest.smtp.envelope import Formed
from digest.smtp.pool import Pool
from digest.smtp.relay import Relay
from digest.smtp.replies import Phase, Reply, Verdict
from digest.store import paces
from digest.store.engine import Store

__all__ = ["Limits", "QuotaUsedUp", "Routed", "Router", "relay_of_result"]

log = structlog.get_logger()

_MOVE_ON = frozenset({Verdict.RELAY_BUSY, Verdict.LOST})  # certainly not accepted, and the relay's own trouble
_WELL = frozenset({Verdict.ACCEPTED, Verdict.DEFERRED, Verdict.REJECTED, Verdict.NEEDS_SMTPUTF8, Verdict.PROVIDER_BUSY})
#: A message waits so long for a relay that asks for patience, and asks so often.
_PATIENCE_S, _TRIES = 20.0, 3
#: Failures in a row, over all workers and restarts, that a person should know of; and then every so many.
_ALERT_AT, _ALERT_EVERY = 3, 20


class QuotaUsedUp(RelayUnreachable):
    """No relay takes more for now. ``until`` is when that changes; the deliveries wait."""

    def __init__(self, message: str, *, until: datetime | None = None) -> None:
        self.until = until
        super().__init__(message, hint="nothing was lost; the next run, or `digest serve`, goes on by itself")


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
        self._store = store
        self._lanes = [Lane(Pool(relay), limits, _allowance(store, relay, limits)) for relay, limits in ordered]
        self._only = self._lanes[0] if len(self._lanes) == 1 else None
        self._stop = stop
        self._waiting = waiting
        self._told, self._told_at = "", 0.0
        self._changed = asyncio.Event()
        self._turn, self._urgent_turn = asyncio.Lock(), asyncio.Lock()
        self._urgent_wanted = 0
        self._failing: set[str] = set()  # by what the database knows
        self._notes: set[asyncio.Task[None]] = set()

    @property
    def relay(self) -> Relay:
        """The relay that comes first, for what was not sent through any."""
        return self._lanes[0].pool.relay

    def health(self) -> list[RelayHealth]:
        """How each relay stands at the moment."""
        now = time.monotonic()
        return [lane.health(now) for lane in self._lanes]

    async def __aenter__(self) -> Self:
        """Raises QuotaUsedUp if nothing at all can be sent, before any delivery is claimed."""
        await asyncio.to_thread(self._recall)
        for lane in self._lanes:
            await lane.allowance.prepare()
        now = time.monotonic()
        if all(lane.allowance.is_used_up or lane.well_again_in(now) > _PATIENCE_S for lane in self._lanes):
            raise self._nothing_goes(now)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lane in self._lanes:
            await lane.pool.__aexit__(kind, error, trace)
        for lane in self._lanes:
            await lane.allowance.close()
        await asyncio.gather(*self._notes)

    async def send(self, mail_from: str, rcpt_to: str, wire: bytes | Formed, *, urgent: bool = False) -> Routed:
        """Send one mail through the best relay that takes it; see `Pool.send`. What is ``urgent`` has the next place.

        Raises QuotaUsedUp when no relay takes more for now (or we are to stop), and the last relay's
        RelayUnreachable or RelayRefused when none is left.
        """
        tries: Counter[str] = Counter()
        last: Trouble | None = None
        while True:
            found = await self._place(tries, urgent=urgent)
            if found is None:
                return self._give_up(last)
            lane, place = found
            was_sent = True
            try:
                result = await lane.pool.send(mail_from, rcpt_to, wire, urgent=urgent)
                routed = Routed(result.verdict, result.reply, result.phase, lane.name)
                if routed.verdict not in _MOVE_ON:
                    if routed.verdict in _WELL:
                        self._worked(lane)
                    return routed
                last = routed
            except (RelayUnreachable, RelayRefused) as error:
                was_sent, last = False, error
            finally:
                lane.in_flight -= 1
                lane.allowance.end(place, was_sent=was_sent)
                self._changed.set()
            is_lost = isinstance(last, Routed) and last.verdict is Verdict.LOST
            if is_lost and lane is self._only:
                return self._give_up(last)  # a broken connection; with no other relay the next mail may as well try
            if lane.failed(last, about=rcpt_to):
                if lane is not self._only or isinstance(last, Routed):
                    lane.report()  # else the error says it
                self._note(self._remember(lane, last))
            tries[lane.name] += 1 if isinstance(last, Routed) and not is_lost else _TRIES

    async def _place(self, tries: Mapping[str, int], *, urgent: bool) -> tuple[Lane, Place] | None:
        if self._only is not None and self._only.is_unbounded and not self._told:
            self._only.in_flight += 1
            return self._only, self._only.allowance.begin()
        self._urgent_wanted += urgent
        try:
            return await self._next_lane(tries, urgent=urgent)
        finally:
            self._urgent_wanted -= urgent
            self._changed.set()

    async def _next_lane(self, tries: Mapping[str, int], *, urgent: bool) -> tuple[Lane, Place] | None:
        """The lane to take and its place, both already counted as taken; None when none is left."""
        # One waits for the next free place, the others behind it; who comes from a failed relay has waited already.
        turn = self._urgent_turn if urgent else self._turn
        async with contextlib.nullcontext() if tries else turn:
            while True:
                now = time.monotonic()
                lanes = self._usable(tries, now)
                if not lanes:
                    wait = self._worth_waiting(tries, now)
                    if wait is None:
                        return None
                    await self._until_changed(wait)
                    continue
                waits = [(lane.ready_in(now), lane.load, lane) for lane in lanes]
                for lane in lanes:
                    lane.allowance.reserve_soon(self._changed.set)
                free = [(load, at, lane) for at, (wait, load, lane) in enumerate(waits) if wait <= 0]
                if free and (urgent or not self._urgent_wanted):  # else the place is for what is urgent
                    lane = min(free)[2]
                    place = lane.allowance.begin()
                    lane.in_flight += 1
                    self._tell("", now)
                    return lane, place
                if not free:
                    self._tell(_at_their_rate(lanes), now)
                await self._until_changed(GLANCE_S if free else min(wait for wait, _, _ in waits))

    def _usable(self, tries: Mapping[str, int], now: float) -> list[Lane]:
        """The lanes of the first priority that has any, those on trial only if there are no others."""
        fit = [
            lane
            for lane in self._lanes
            if tries.get(lane.name, 0) < _TRIES and not lane.is_paused(now) and not lane.allowance.is_used_up
        ]
        fit = [lane for lane in fit if not lane.is_on_trial] or fit
        return [lane for lane in fit if lane.priority == fit[0].priority]

    def _worth_waiting(self, tries: Mapping[str, int], now: float) -> float | None:
        """Seconds until the first of the relays that asked for patience may be asked again, if they are few."""
        soon = [
            lane
            for lane in self._lanes
            if lane.is_throttled
            and tries.get(lane.name, 0) < _TRIES
            and not lane.allowance.is_used_up
            and lane.well_again_in(now) <= _PATIENCE_S
        ]
        if not soon:
            return None
        first = min(soon, key=lambda lane: lane.well_again_in(now))
        self._tell(_throttled(first, now), now)
        return max(0.0, first.well_again_in(now))

    def _give_up(self, last: Trouble | None) -> Routed:
        now = time.monotonic()
        if isinstance(last, Routed):
            if last.verdict is not Verdict.RELAY_BUSY:
                return last
            busy = [lane.well_again_at(now) for lane in self._lanes if lane.name == last.relay]
            return replace(last, retry_at=max(busy[0], datetime.now(UTC) + timedelta(seconds=5)))
        unwell = [lane.trouble for lane in self._lanes if lane.trouble is not None and not lane.is_throttled]
        trouble = last or (unwell[-1] if unwell else None)
        if trouble is None:
            raise self._nothing_goes(now)
        if isinstance(trouble, Routed):
            return trouble
        raise type(trouble)(trouble.message, hint=trouble.hint)

    def _nothing_goes(self, now: float) -> QuotaUsedUp:
        told, ends = [], []
        for lane in self._lanes:
            if lane.allowance.day_ends_at is not None:
                told.append(lane.allowance.reason)
                ends.append(lane.allowance.day_ends_at)
            elif lane.is_throttled:
                told.append(_throttled(lane, now))
                ends.append(lane.well_again_at(now))
        return QuotaUsedUp("; ".join(told), until=min(ends, default=None))

    # --- what the database knows of relays that fail ---

    def _recall(self) -> None:
        """Take over what was heard before this router was made."""
        with self._store.read() as tx:
            known, now = paces.troubled_relays(tx), tx.now()
        for lane in self._lanes:
            trouble = known.get(lane.name)
            if trouble is None:
                continue
            self._failing.add(lane.name)
            seconds = (trouble.held_until - now).total_seconds() if trouble.held_until else 0.0
            if seconds > 0:
                code, _, text = trouble.said.partition(" ")
                reply = Reply.parse(int(code), text) if code.isdigit() else None
                lane.hold(Routed(Verdict.RELAY_BUSY, reply, Phase.MAIL, lane.name), seconds=seconds)

    def _worked(self, lane: Lane) -> None:
        if lane.trouble is None and not self._failing:
            return
        lane.works()
        if lane.name in self._failing:
            self._failing.discard(lane.name)
            self._note(asyncio.to_thread(self._forget, lane.name))

    async def _remember(self, lane: Lane, trouble: Trouble) -> None:
        """Write a failure down, whoever comes next; tell a person when it is the third in a row."""
        self._failing.add(lane.name)
        wait = lane.well_again_in(time.monotonic())
        held = wait if lane.is_throttled and wait > _PATIENCE_S else 0.0
        failures = await asyncio.to_thread(self._write, lane.name, lane.said, held)
        if len(failures) == _ALERT_AT or len(failures) % _ALERT_EVERY == 0:
            hint = "" if isinstance(trouble, Routed) else trouble.hint
            since = f"{failures[0]:%Y-%m-%d %H:%M:%S}Z"
            log.error("relay.alert", relay=lane.name, failures=len(failures), since=since, said=lane.said, hint=hint)

    def _write(self, name: str, said: str, held_s: float) -> list[datetime]:
        with self._store.write() as tx:
            now = tx.now()
            until = now + timedelta(seconds=held_s) if held_s else None
            return paces.relay_failed(tx, name, said=said, held_until=until, now=now)

    def _forget(self, name: str) -> None:
        with self._store.write() as tx:
            paces.relay_worked(tx, name)

    def _note(self, writing: Coroutine[None, None, None]) -> None:
        """Write beside the sending; `__aexit__` waits for it and raises what went wrong."""
        self._notes.add(asyncio.ensure_future(writing))

    async def _until_changed(self, wait: float) -> None:
        if self._stop.is_set():
            raise QuotaUsedUp("stopped while waiting for a relay")
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), min(wait, GLANCE_S))

    def _tell(self, reason: str, now: float) -> None:
        """Pass on why we wait, not each of the short waits in between."""
        if reason:
            self._told_at = now
        if reason != self._told and (reason or now - self._told_at > 1):
            self._told = reason
            self._waiting(reason)


def _allowance(store: Store, relay: Relay, limits: Limits) -> Allowance:
    return Allowance(store, relay.name, rate=limits.rate, daily_quota=limits.daily_quota, warm_up=limits.warm_up)


def _throttled(lane: Lane, now: float) -> str:
    """In local time, as people read it beside the progress."""
    return f"relay {lane.name} throttled until {lane.well_again_at(now).astimezone():%H:%M}"


def _at_their_rate(lanes: Sequence[Lane]) -> str:
    names = [lane.name for lane in lanes if lane.allowance.rate is not None]
    if not names:
        return ""
    if len(names) == 1:
        return f"relay {names[0]} is at its rate"
    return f"relays {', '.join(names[:-1])} and {names[-1]} are at their rates"


def relay_of_result(carrier: Pool | Router, result: SendResult) -> str:
    """The name of the relay a mail really went through."""
    return result.relay if isinstance(result, Routed) else carrier.relay.name
