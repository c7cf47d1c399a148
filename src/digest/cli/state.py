"""What the global options say, and opening the installation for a command."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import typer

from digest.app.container import Container, open_container


@dataclass(frozen=True, slots=True)
class State:
    """The global options."""

    config: Path | None


def config_of(context: typer.Context) -> Path | None:
    """The ``--config`` of this call."""
    state = context.find_object(State)
    return state.config if state else None


def opened(context: typer.Context) -> AbstractContextManager[Container]:
    """The installation this command works on."""
    return open_container(config_of(context))
