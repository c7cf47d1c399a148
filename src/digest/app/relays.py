"""From the relay settings to what mail is handed to: a router over one relay or several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import date

from digest.app.counts import Counts
from digest.config.secrets import read_password
from digest.config.settings import Settings
from digest.deliver.pacing import Pacer
from digest.deliver.routing import Limits, Router
from digest.deliver.warmup import WarmUp
from digest.model.errors import ConfigInvalid
from digest.smtp.relay import Chunking, Pipelining, Relay, Timeouts, Tls
from digest.store.engine import Store

#: More on their way at once gained nothing and put more in doubt (performance.md 5: 50 connections by 32 were slower).
_IN_FLIGHT_MAX = 128


def relay_of(settings: Settings, name: str = "default") -> Relay:
    """The named relay with its password read. Raises ConfigInvalid."""
    if name not in settings.relays:
        known = ", ".join(settings.relays) or "none"
        raise ConfigInvalid(f"there is no relay {name!r} in the configuration", hint=f"configured relays: {known}")
    chosen = settings.relays[name]
    if chosen.username and not chosen.password_file:
        raise ConfigInvalid(
            f"relay {name!r} has a username but no password", hint=f"set relays.{name}.password_file to a file with it"
        )
    return Relay(
        name=name,
        host=chosen.host,
        port=chosen.port,
        tls=Tls(chosen.tls.value),
        username=chosen.username,
        password=read_password(settings.path(chosen.password_file)) if chosen.password_file else None,
        ca_file=settings.path(chosen.ca_file) if chosen.ca_file else None,
        connections=chosen.connections,
        max_messages_per_connection=chosen.max_messages_per_connection,
        pipelining=Pipelining(chosen.pipelining.value),
        chunking=Chunking(chosen.chunking.value),
        timeouts=_timeouts(chosen.timeout_s),
    )


def _timeouts(longest_s: float | None) -> Timeouts:
    """Those of RFC 5321 §4.5.3.2, which wants them easy to change: here, none longer than ``longest_s``."""
    usual = asdict(Timeouts())
    return Timeouts(**{key: min(value, longest_s or value) for key, value in usual.items()})


def limits_of(settings: Settings, name: str = "default") -> Limits:
    """What the named relay allows."""
    chosen = settings.relays[name]
    warm = chosen.warm_up
    return Limits(
        rate=chosen.rate,
        daily_quota=chosen.daily_quota,
        priority=chosen.priority,
        warm_up=WarmUp(warm.first_day, start=warm.start, factor=warm.factor, until=warm.until) if warm else None,
    )


def warming_up(settings: Settings, day: date) -> int:
    """How many mails the relays that are warming up take together on a UTC day; 0 where none is."""
    ceilings = (limits_of(settings, name).ceiling(day) for name in settings.relays)
    return sum(ceiling for ceiling in ceilings if ceiling)


def in_flight_of(settings: Settings) -> int:
    """How many mails may be begun and not answered over all relays together."""
    relays = [relay_of(settings, name) for name in settings.relays]
    return min(_IN_FLIGHT_MAX, sum(relay.connections * relay.window for relay in relays))


def carrier(
    settings: Settings, store: Store, *, stop: asyncio.Event, waiting: Callable[[str], None] = lambda _reason: None
) -> Router:
    """What carries mail. Raises ConfigInvalid."""
    routes = [(relay_of(settings, name), limits_of(settings, name)) for name in settings.relays]
    return Router(routes, store, stop=stop, waiting=waiting)


@asynccontextmanager
async def at_work(
    settings: Settings, store: Store, counts: Counts, *, stop: asyncio.Event, waiting: Callable[[str], None]
) -> AsyncIterator[tuple[Router, Pacer]]:
    """The open carrier and the pacer of providers; ``counts`` knows how the relays stand and how long they waited."""
    with counts.waits(waiting) as told:
        async with Pacer(store, waiting=told) as pacer, carrier(settings, store, stop=stop, waiting=told) as opened:
            with counts.using(opened.health):
                yield opened, pacer
