"""What the global options say, and opening the installation for a command."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from digest.app.container import Container, open_container
from digest.store import audit
from digest.store.engine import Operator

#: What runs by itself: nobody's action.
_SERVICES = frozenset({"serve", "worker", "tick", "collect", "preview", "demo"})


@dataclass(frozen=True, slots=True)
class State:
    """The global options."""

    config: Path | None


def config_of(context: typer.Context) -> Path | None:
    """The ``--config`` of this call."""
    state = context.find_object(State)
    return state.config if state else None


@contextmanager
def opened(context: typer.Context) -> Iterator[Container]:
    """The installation this command works on. What an operator's command changes is written down in the audit log."""
    with open_container(config_of(context)) as container:
        command = context.command_path.partition(" ")[2]
        if command.partition(" ")[0] not in _SERVICES:
            container.store.operator = Operator(_operator(), command[:64], _told(context))
            container.store.before_commit = audit.sign
        yield container


def now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


def _operator() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in containers
        name = f"uid {os.getuid()}"
    return f"operator:{name}"[:64]


def _told(context: typer.Context) -> str:
    """What the command was given, but for addresses: the log outlives the reader."""
    given = {name: value for name, value in context.params.items() if value not in (None, False, [], ())}
    given = {name: value for name, value in given.items() if value != "" and name not in {"yes", "as_json"}}
    words = (f"{name.rstrip('_')}={'…' if '@' in str(value) else value}" for name, value in given.items())
    return " ".join(words)[:500]
