"""From the relay settings to a relay the smtp room can use."""

from __future__ import annotations

from digest.config.secrets import read_password
from digest.config.settings import Settings
from digest.model.errors import ConfigInvalid
from digest.smtp.relay import Relay, Tls


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
    )
