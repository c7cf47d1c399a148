"""`digest worker`: deliver on this machine what a clock elsewhere makes ready."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from digest.app.container import Container
from digest.app.engines import shared_engine
from digest.app.work import work
from digest.cli import output
from digest.cli.state import opened
from digest.engine.port import Engine
from digest.web import server


def worker(
    context: typer.Context,
    *,
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="Chunks (of up to 1000 readers) to work on side by side.")
    ] = 2,
) -> None:
    """Deliver what `digest serve --no-deliver` makes ready; start as many as you like (PostgreSQL only)."""
    with opened(context) as container:
        engine = shared_engine(container.store)
        asyncio.run(_work(container, engine, concurrency=concurrency))


async def _work(container: Container, engine: Engine, *, concurrency: int) -> None:
    health = await asyncio.to_thread(engine.health)
    others = output.count(health.workers, "other worker")
    output.note(f"Digest works; {output.count(health.waiting, 'chunk')} waiting, {others}. Ctrl+C stops it.")
    with server.stop_signal() as stopped:
        await work(container, engine, concurrency=concurrency, stop=stopped)
