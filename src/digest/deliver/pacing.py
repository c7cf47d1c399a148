"""How fast mail goes to each receiving provider: held back where it asks for less, without limit everywhere else.

The rule is `model.pace`; here it is applied to what this process sends, and shared with all others through the
database about once a second (`store.paces`). While nobody is in trouble a question costs one look into an empty dict.

Who may not go now is told when: the delivery is given back until then, so that no hand and no connection waits for
one provider while readers elsewhere could have their mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import structlog

from digest.deliver.providers import provider_of
from digest.model.pace import Pace
from digest.smtp.replies import SendResult, Verdict, is_block
from digest.store import paces
from digest.store.engine import Store

log = structlog.get_logger()

#: Written at most so often, and others' troubles are heard of so soon.
_WRITE_S, _READ_S = 1.0, 5.0
#: What was given back is looked at again by workers about every 15 s, so as much may go at once.
_HEAP_S = 15.0
#: Nobody is given back for less: claiming again costs more than it gains.
_AT_LEAST = timedelta(seconds=1)


@dataclass(slots=True)
class _Gate:
    """The token bucket of one provider in this process; ``waiting`` counts those given back."""

    tokens: float
    filled_at: float
    waiting: int = 0

    def admits(self, rate: float) -> bool:
        now = time.monotonic()
        self.tokens = min(max(1.0, rate * _HEAP_S), self.tokens + (now - self.filled_at) * rate)
        self.filled_at = now
        if self.tokens < 1:
            self.waiting += 1
            return False
        self.tokens -= 1
        self.waiting = max(0, self.waiting - 1)
        return True


@dataclass(slots=True)
class _Heard:
    """What answers told of one provider since it was last written: mails taken, and complaints in order."""

    successes: int = 0
    complaints: list[tuple[Verdict, datetime, str]] = field(default_factory=list)

    def applied(self, provider: str, pace: Pace | None, now: datetime) -> Pace | None:
        if pace is None and not self.complaints:
            return None  # another worker has stopped watching it
        at = pace or Pace(provider, self.complaints[0][1])
        at = at.after_successes(self.successes, now)
        for verdict, when, said in self.complaints:
            is_trouble = verdict is Verdict.PROVIDER_BUSY
            at = at.after_trouble(when, said) if is_trouble else at.after_block(when, said)
        return None if at.is_over(now) else at


class Pacer:
    """The pace towards every provider; an async context manager, for all that one process sends.

    ``waiting`` is told why a provider's readers wait, and ``""`` when they go on.
    """

    def __init__(
        self,
        store: Store,
        *,
        waiting: Callable[[str], None] = lambda _reason: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._waiting = waiting
        self._clock = clock
        self._paces: dict[str, Pace] = {}
        self._gates: dict[str, _Gate] = {}
        self._heard: dict[str, _Heard] = {}
        self._told: dict[str, str] = {}
        self._news = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._end = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.sync()
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._news.set()
        if self._keeper is not None:
            await self._keeper

    def held_until(self, domain: str) -> datetime | None:
        """None: a mail to ``domain`` may go now. Else it waits at least until then. Ask once for each mail."""
        if not self._paces:
            return None
        provider = provider_of(domain)
        pace = self._paces.get(provider)
        if pace is None:
            return None
        now = self._clock()
        if pace.is_held(now):
            self._tell(pace, pace.held_until)
            return pace.held_until
        rate = pace.rate
        if rate is None:
            return None
        gate = self._gates.get(provider)
        if gate is None:
            # One unit of the window to begin with: after a pause that is the mail that finds out.
            gate = self._gates[provider] = _Gate(pace.window or 1.0, time.monotonic())
        if gate.admits(rate):
            self._tell(pace, None)
            return None
        until = now + max(_AT_LEAST, pace.time_for(gate.waiting))
        self._tell(pace, until)
        return until

    def learn(self, domain: str, result: SendResult) -> None:
        """What became of a mail to ``domain``. Free while all is well."""
        verdict, reply = result.verdict, result.reply
        if verdict is Verdict.ACCEPTED:
            if not self._paces or (pace := self._paces.get(provider := provider_of(domain))) is None:
                return
            if pace.window is None:
                return
            self._paces[provider] = pace.after_successes(1, self._clock())
            self._heard.setdefault(provider, _Heard()).successes += 1
        elif reply is not None and (
            verdict is Verdict.PROVIDER_BUSY or (verdict is Verdict.REJECTED and is_block(reply))
        ):
            self._complained(provider_of(domain), verdict, said=str(reply)[:500])
        else:
            return
        self._news.set()

    async def sync(self) -> None:
        """Write what was heard and read where every provider stands, in a thread."""
        async with self._one_at_a_time:
            await self._sync()

    async def _sync(self) -> None:
        heard, self._heard = self._heard, {}
        before, known = self._paces, set(self._paces)
        try:
            after = await asyncio.to_thread(self._exchange, heard)
        except BaseException:
            for provider, item in self._heard.items():  # nothing that was heard is lost
                mine = heard.setdefault(provider, _Heard())
                mine.successes += item.successes
                mine.complaints += item.complaints
            self._heard = heard
            raise
        now = self._clock()
        for provider, item in self._heard.items():  # heard meanwhile
            pace = item.applied(provider, after.get(provider), now)
            if pace is not None:
                after[provider] = pace
        self._paces = after
        for provider in known - after.keys():
            self._gates.pop(provider, None)
            self._tell(before[provider], None)
        for provider, pace in after.items():
            if pace.is_held(now):
                self._gates.pop(provider, None)  # it begins anew with one mail

    def _exchange(self, heard: dict[str, _Heard]) -> dict[str, Pace]:
        if not heard:
            with self._store.read() as tx:
                found, now = paces.all_troubled(tx), tx.now()
            heard = {provider: _Heard() for provider, pace in found.items() if pace.is_over(now)}
            if not heard:
                return found
        with self._store.write() as tx:
            now = tx.now()
            changes = {
                provider: (lambda pace, provider=provider, item=item: item.applied(provider, pace, now))
                for provider, item in heard.items()
            }
            return paces.change(tx, changes)

    async def _keep(self) -> None:
        """Keep in touch until the end; what goes wrong with the database is raised there."""
        while not self._end.is_set():
            await _either(self._news, _READ_S)
            self._news.clear()
            if self._end.is_set():
                break
            await self.sync()
            await _either(self._end, _WRITE_S)
        if self._heard:
            await self.sync()

    def _complained(self, provider: str, verdict: Verdict, *, said: str) -> None:
        now = self._clock()
        before = self._paces.get(provider) or Pace(provider, now)
        self._heard.setdefault(provider, _Heard()).complaints.append((verdict, now, said))
        is_trouble = verdict is Verdict.PROVIDER_BUSY
        after = before.after_trouble(now, said) if is_trouble else before.after_block(now, said)
        self._paces[provider] = after
        if after.is_held(now) and not before.is_held(now):
            self._gates.pop(provider, None)
            log.warning("provider.paused", provider=provider, until=f"{after.held_until:%H:%M:%S}Z", said=said)

    def _tell(self, pace: Pace, until: datetime | None) -> None:
        reason = "" if until is None else f"{pace.provider} slowed down until {until.astimezone():%H:%M}"
        if reason != self._told.get(pace.provider, ""):
            self._told[pace.provider] = reason
            self._waiting(reason)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Until the event, or so long."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
