"""A real web server on loopback: serves a folder, plus rules for paths that misbehave."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class Rule:
    """How one path answers. ``statuses`` are taken one a request, the last one stays.

    ``conditional`` answers 304 to the right validators; ``announce`` is a Content-Length of its own.
    """

    body: bytes = b""
    statuses: tuple[int, ...] = (200,)
    headers: dict[str, str] = field(default_factory=dict)
    location: str = ""
    delay_s: float = 0.0
    drip_bytes_per_s: int = 0
    gzip: bool = False
    conditional: bool = False
    announce: int | None = None
    asked: int = 0


@dataclass(slots=True)
class Request:
    """What the server saw."""

    path: str
    headers: dict[str, str]
    at: float = 0.0
    host: str = ""


class FeedServer:
    """Rules by path; anything else comes from ``folder``, with ETag and Last-Modified.

    ``written_for``: the address that the folder's files have in their links; they come with ours instead of it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.rules: dict[str, Rule] = {}
        self.requests: list[Request] = []
        self.base = ""
        self.written_for = ""
        self.at_once: dict[str, int] = {}
        self.most_at_once = 0

    def rule(self, path: str, body: bytes = b"", **options: object) -> str:
        """Add a rule and give its address."""
        self.rules[path] = Rule(body=body, **options)  # type: ignore[arg-type]  # options are Rule's own fields
        return self.base + path

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(Request(request.path, dict(request.headers), time.monotonic(), request.host))
        self.at_once[request.host] = self.at_once.get(request.host, 0) + 1
        self.most_at_once = max(self.most_at_once, self.at_once[request.host])
        try:
            rule = self.rules.get(request.path)
            if rule is not None:
                return await _play(rule, request)
            return self._file(request.path)
        finally:
            self.at_once[request.host] -= 1

    def _file(self, path: str) -> web.StreamResponse:
        file = (self.folder / path.lstrip("/")) if self.folder else None
        if file is None or not file.is_file() or ".." in path:
            return web.Response(status=404)
        if self.written_for and file.suffix != ".gz":  # its links are to lead here
            return web.Response(
                body=file.read_bytes().replace(self.written_for.encode(), self.base.encode()),
                content_type="text/html" if file.suffix == ".html" else "text/xml",
            )
        return web.FileResponse(file)


async def _play(rule: Rule, request: web.Request) -> web.StreamResponse:
    status = rule.statuses[min(rule.asked, len(rule.statuses) - 1)]
    rule.asked += 1
    if rule.delay_s:
        await asyncio.sleep(rule.delay_s)
    headers = dict(rule.headers)
    if rule.location:
        headers["Location"] = rule.location
    if rule.conditional and _is_known(headers, request):
        return web.Response(status=304, headers=headers)
    body = rule.body
    if rule.gzip:
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    if rule.announce is not None:
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = rule.announce
        await response.prepare(request)
        await response.write(body[: rule.announce])
        if len(body) < rule.announce and request.transport is not None:
            request.transport.close()
        return response
    if not rule.drip_bytes_per_s:
        return web.Response(status=status, body=body, headers=headers)
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    with suppress(ConnectionResetError):  # the other side has had enough
        for byte in body:
            await response.write(bytes([byte]))
            await asyncio.sleep(1 / rule.drip_bytes_per_s)
    return response


def _is_known(headers: dict[str, str], request: web.Request) -> bool:
    pairs = [("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")]
    said = [(headers[ours], request.headers.get(theirs)) for ours, theirs in pairs if ours in headers]
    return bool(said) and all(ours == theirs for ours, theirs in said)


def play_newsroom(server: FeedServer, folder: Path, *, now: datetime) -> None:
    """Serve a newsroom-day folder as its server-rules.json says, at this server's address and around ``now``."""
    site = folder / "site"
    server.folder = site
    document = json.loads((folder / "server-rules.json").read_text())
    for rule in document["rules"]:
        headers = {name: _spoken(value, now) for name, value in rule.get("headers", {}).items()}
        body = rule.get("body", "").encode()
        if "body_from" in rule:
            body = (site / rule["body_from"].lstrip("/")).read_bytes()
        options: dict[str, Any] = {
            "statuses": tuple(rule.get("status_sequence", [rule.get("status", 200)])),
            "location": rule.get("location", ""),
            "delay_s": rule.get("delay_s", 0),
            "drip_bytes_per_s": rule.get("bytes_per_s", 0),
            "conditional": "ETag" in headers,
        }
        if headers.pop("Content-Length", None) == "half of the body":
            options["announce"] = len(body) // 2
        server.rule(rule["path"], body, headers=headers, **options)


def _spoken(value: str, now: datetime) -> str:
    """The rules write some values in words."""
    if value == "HTTP-date +300 s":
        return format_datetime(now + timedelta(seconds=300), usegmt=True)
    if value == "day 06:00 GMT":
        return format_datetime(now.replace(hour=6, minute=0, second=0, microsecond=0), usegmt=True)
    return value


@asynccontextmanager
async def serving(
    folder: Path | None = None, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[FeedServer]:
    """A server on a free port of a loopback address, gone afterwards."""
    server = FeedServer(folder)
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    server.base = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
