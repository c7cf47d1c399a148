"""`digest worker`: deliver on this machine what a clock elsewhere makes ready."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from digest.app.container import Container
from digest.app.engines import shared_engine
from digest.app.session import work
from digest.cli import loop, output
from digest.cli.serve import MetricsHost, MetricsPort, say_stopping, showing
from digest.cli.state import opened
from digest.engine.port import Engine
from digest.web import server


def worker(
    context: typer.Context,
    *,
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="Chunks (of up to 1000 readers) to work on side by side.")
    ] = 2,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
) -> None:
    """Deliver what `digest serve --no-deliver` makes ready; start as many as you like (PostgreSQL only)."""
    with opened(context) as container:
        engine = shared_engine(container.store)
        numbers = None if metrics_port is None else (metrics_host, metrics_port)
        loop.run(_work(container, engine, concurrency=concurrency, numbers=numbers))


async def _work(container: Container, engine: Engine, *, concurrency: int, numbers: tuple[str, int] | None) -> None:
    health = await asyncio.to_thread(engine.health)
    told = (
        f"Digest works on {output.count(concurrency, 'chunk')} at a time;"
        f" {health.waiting} waiting, {output.count(health.workers, 'other worker')}."
    )
    async with showing(container, numbers, engine=engine) as at:
        with server.stop_signal() as stopped:
            output.note(f"{told}{at} Ctrl+C stops it.")
            saying = asyncio.create_task(_say_stopping(stopped))
            try:
                await work(container, engine, concurrency=concurrency, stop=stopped)
            finally:
                saying.cancel()
    output.note("Digest has stopped.")


async def _say_stopping(stopped: asyncio.Event) -> None:
    await stopped.wait()
    say_stopping()
