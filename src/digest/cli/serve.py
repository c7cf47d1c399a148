"""`digest serve`: what runs until it is told to stop, with pages to look at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

import typer
from starlette.routing import Route

from digest.app.container import Container
from digest.app.engines import engine_of, shared_engine
from digest.app.serve import ticking
from digest.cli import loop, output
from digest.cli.state import opened
from digest.engine.port import Engine
from digest.web import server
from digest.web.asgi import create_app

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
MetricsPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Serve /metrics on a port of its own; 0 takes a free one.")
]
MetricsHost = Annotated[str, typer.Option(help="Address that port listens on.")]


def serve(
    context: typer.Context,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8025,
    no_deliver: Annotated[
        bool, typer.Option("--no-deliver", help="Make issues ready and leave delivering to `digest worker`.")
    ] = False,
    no_clock: Annotated[bool, typer.Option("--no-clock", help="Web pages only.")] = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
) -> None:
    """Serve the readers' pages and run the clock, in one process."""
    with opened(context) as container:
        engine = shared_engine(container.store) if no_deliver else None
        loop.run(
            _serve(
                container,
                engine,
                pages=(host, port),
                numbers=None if metrics_port is None else (metrics_host, metrics_port),
                with_clock=not no_clock,
            )
        )


async def _serve(
    container: Container,
    engine: Engine | None,
    *,
    pages: tuple[str, int],
    numbers: tuple[str, int] | None,
    with_clock: bool,
) -> None:
    async with AsyncExitStack() as doors:
        at = await doors.enter_async_context(showing(container, numbers, engine=engine))
        wakes = engine if with_clock else engine_of(container.store)
        app = create_app(container, beside=[] if at else [_metrics_route(container, engine)], engine=wakes)
        address = await doors.enter_async_context(server.serving(app, host=pages[0], port=pages[1]))
        stopped = doors.enter_context(server.stop_signal())
        does = _does(container, engine) if with_clock else "shows pages only"
        output.note(f"Digest serves {address} and {does}.{at} Ctrl+C stops it.")
        if with_clock:
            async with ticking(container, engine=engine):
                await stopped.wait()
                say_stopping()
        else:
            await stopped.wait()
    output.note("Digest has stopped.")


def _metrics_route(container: Container, engine: Engine | None) -> Route:
    from digest.app.metrics import Metrics  # noqa: PLC0415 - other commands need no Prometheus
    from digest.web.metrics import route  # noqa: PLC0415 - the same

    return route(container.settings, Metrics(container.settings, container.store, container.counts, engine=engine))


def _does(container: Container, engine: Engine | None) -> str:
    if engine is not None:
        return "runs the clock; workers deliver"
    relays = container.settings.relays
    if len(relays) == 1:
        (relay,) = relays.values()
        return f"runs the clock and delivers through {relay.host}:{relay.port}"
    return f"runs the clock and delivers through the relays {', '.join(relays)}"


def say_stopping() -> None:
    """Tell whoever waits what is being waited for."""
    output.note("Digest stops when what is on the wire is answered and recorded. Once more stops it at once.")


@asynccontextmanager
async def showing(
    container: Container, listen_on: tuple[str, int] | None, *, engine: Engine | None
) -> AsyncIterator[str]:
    """Serve the numbers on a port of their own while the block lasts, where one is asked for; says where."""
    if listen_on is None:
        yield ""
        return
    from digest.app.metrics import Metrics  # noqa: PLC0415 - see above
    from digest.web.metrics import metrics_app  # noqa: PLC0415 - the same

    metrics = Metrics(container.settings, container.store, container.counts, engine=engine)
    app = metrics_app(container.settings, metrics)
    async with server.serving(app, host=listen_on[0], port=listen_on[1]) as address:
        yield f" Metrics are at {address}/metrics."
