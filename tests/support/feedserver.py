"""A real web server on loopback: serves a folder, plus rules for paths that misbehave."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web


@dataclass(slots=True)
class Rule:
    """How one path answers. ``statuses`` are taken one a request, the last one stays."""

    body: bytes = b""
    statuses: tuple[int, ...] = (200,)
    headers: dict[str, str] = field(default_factory=dict)
    location: str = ""
    delay_s: float = 0.0
    drip_bytes_per_s: int = 0
    gzip: bool = False
    conditional: bool = False
    asked: int = 0


@dataclass(slots=True)
class Request:
    """What the server saw."""

    path: str
    headers: dict[str, str]


class FeedServer:
    """Rules by path; anything else comes from ``folder``, with ETag and Last-Modified."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.rules: dict[str, Rule] = {}
        self.requests: list[Request] = []
        self.base = ""
        self.at_once = 0
        self.most_at_once = 0

    def rule(self, path: str, body: bytes = b"", **options: object) -> str:
        """Add a rule and give its address."""
        self.rules[path] = Rule(body=body, **options)  # type: ignore[arg-type]  # options are Rule's own fields
        return self.base + path

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(Request(request.path, dict(request.headers)))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            rule = self.rules.get(request.path)
            if rule is not None:
                return await _play(rule, request)
            return self._file(request.path)
        finally:
            self.at_once -= 1

    def _file(self, path: str) -> web.StreamResponse:
        file = (self.folder / path.lstrip("/")) if self.folder else None
        if file is None or not file.is_file() or ".." in path:
            return web.Response(status=404)
        return web.FileResponse(file)


async def _play(rule: Rule, request: web.Request) -> web.StreamResponse:
    status = rule.statuses[min(rule.asked, len(rule.statuses) - 1)]
    rule.asked += 1
    if rule.delay_s:
        await asyncio.sleep(rule.delay_s)
    headers = dict(rule.headers)
    if rule.location:
        headers["Location"] = rule.location
    if rule.conditional and headers.get("ETag") and request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    body = rule.body
    if rule.gzip:
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    if not rule.drip_bytes_per_s:
        return web.Response(status=status, body=body, headers=headers)
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    for byte in body:
        await response.write(bytes([byte]))
        await asyncio.sleep(1 / rule.drip_bytes_per_s)
    return response


@asynccontextmanager
async def serving(folder: Path | None = None) -> AsyncIterator[FeedServer]:
    """A server on a free port of 127.0.0.1, gone afterwards."""
    server = FeedServer(folder)
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.base = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
