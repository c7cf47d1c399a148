"""From the relay settings to what mail is handed to: one pool of connections, or several relays behind a router."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from digest.config.secrets import read_password
from digest.config.settings import Settings
from digest.deliver.routing import Limits, Router
from digest.model.errors import ConfigInvalid
from digest.smtp.pool import Pool
from digest.smtp.relay import Pipelining, Relay, Tls
from digest.store.engine import Store


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
    )


def limits_of(settings: Settings, name: str = "default") -> Limits:
    """What the named relay allows."""
    chosen = settings.relays[name]
    return Limits(rate=chosen.rate, daily_quota=chosen.daily_quota, priority=chosen.priority)


def connections_of(settings: Settings) -> int:
    """Connections of all relays together."""
    return sum(relay.connections for relay in settings.relays.values())


def carrier(
    settings: Settings, store: Store, *, stop: asyncio.Event, waiting: Callable[[str], None] = lambda _reason: None
) -> Pool | Router:
    """What carries mail: the plain pool where there is one relay without limits. Raises ConfigInvalid."""
    names = list(settings.relays)
    limits = [limits_of(settings, name) for name in names]
    if len(names) == 1 and limits[0].is_open:
        return Pool(relay_of(settings, names[0]))
    relays = [relay_of(settings, name) for name in names]
    return Router(list(zip(relays, limits, strict=True)), store, stop=stop, waiting=waiting)
