"""Running an application on a port: bound before anything starts, stopped gracefully.

Rules: the port is taken first, so that "in use" is an error of the command line and not of a half-started
process. Paths are never logged here (they hold tokens); `web.shell` logs route templates. Signals are handled
in `run` only; `serving` leaves them to its caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette

from digest.model.errors import BadInput, DigestError

_BACKLOG = 256
_GRACE_S = 10  # for requests that are being answered when the server is told to stop
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises BadInput saying what to change."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise BadInput(f"{host!r} is not an address of this machine", hint="try --host 127.0.0.1") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for old connections
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _refusal(error, host, port) from error
    listener.setblocking(False)
    return listener


def _refusal(error: OSError, host: str, port: int) -> DigestError:
    if error.errno == errno.EADDRINUSE:
        return BadInput(f"port {port} on {host} is in use", hint="choose another with --port")
    if error.errno == errno.EACCES:
        return BadInput(f"port {port} on {host} is reserved for the system", hint="choose one above 1023 with --port")
    if error.errno == errno.EADDRNOTAVAIL:
        return BadInput(f"{host} is not an address of this machine", hint="try --host 127.0.0.1")
    return DigestError(f"port {port} on {host} cannot be opened: {error}", hint="choose another with --port")


def address_of(listener: socket.socket) -> str:
    """The http address a browser on this machine reaches the socket at."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn that leaves signals alone, says when it is up, and tells the application when it stops."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams that never end by themselves (the preview's events) are told to, or the grace period would
        # always be used up.
        on_stop: Callable[[], None] | None = getattr(getattr(self.config.app, "state", None), "on_stop", None)
        if on_stop is not None:
            on_stop()
        await super().shutdown(sockets)


@asynccontextmanager
async def serving(app: Starlette, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve ``app`` while the block runs, in this event loop; gives its address.

    Raises BadInput before anything starts when the port cannot be had. On leaving, requests being answered get
    ten seconds. An application may set ``app.state.on_stop`` to be told first.
    """
    listener = bind(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        http="h11",
        ws="none",
        proxy_headers=False,  # the peer is the peer, whatever a request says about it
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]), name="web server")
    try:
        up = asyncio.create_task(server.up.wait())
        await asyncio.wait({running, up}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if running.done():
            running.result()
            raise DigestError("the web server ended while it started", hint="see the log above")
        yield address_of(listener)
    finally:
        server.should_exit = True
        await running
        listener.close()


async def run(app: Starlette, *, host: str, port: int, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve ``app`` until SIGINT or SIGTERM, then stop gracefully and return."""
    async with serving(app, host=host, port=port) as address:
        with stop_signal() as stopped:
            if on_ready is not None:
                on_ready(address)
            await stopped.wait()


@contextmanager
def stop_signal() -> Iterator[asyncio.Event]:
    """An event that SIGINT or SIGTERM sets while the block runs; the main thread's event loop only.

    A second signal does what it does to any program: whoever cannot wait for what is on the wire need not, since
    being killed is safe.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield stopped
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)


def serve(app: Starlette, *, host: str, port: int, on_ready: Callable[[str], None] | None = None) -> None:
    """`run`, for callers without an event loop. Raises BadInput when the port cannot be had."""
    with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl+C while connections are being closed
        asyncio.run(run(app, host=host, port=port, on_ready=on_ready))
