"""What surrounds every request: a limit on what it may send, and one line in the log.

Rules: the log names the route's template, never the path, because paths hold tokens; no address, no user agent.
"""

from __future__ import annotations

import time

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a request body. A one-click request has 26, a multipart one a few hundred.
BODY_LIMIT = 64 * 1024

#: Asked by machines several times a minute; worth a line only when the answer is not as it should be.
_MACHINES = frozenset({"/healthz", "/metrics"})

_log = structlog.get_logger("web")


class BodyLimit:
    """Around a route: 413 as soon as a body is, or says it will be, longer than ``limit`` bytes."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413)
            return message

        if _announced(scope) > self._limit:
            raise HTTPException(413)
        await self._app(scope, limited, send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


class RequestLog:
    """One structlog line for each request: method, route template, status, milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500  # what a request ends with when nothing was answered

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            took_ms = round((time.perf_counter() - began) * 1000, 1)
            about = {"method": scope["method"], "route": route, "status": status, "ms": took_ms}
            if route in _MACHINES and status == 200:
                _log.debug("request.answered", **about)
            else:
                _log.info("request.answered", **about)
