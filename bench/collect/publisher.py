"""A web server in a process of its own: feeds made up on the spot, or a folder as it is; every request is logged.

``python -m bench.collect.publisher PORT LOG [FOLDER]``. It listens on every loopback address, each of which is a host
to whoever asks. The log has one line a request: host, path, when it began and ended (seconds), status, bytes in, bytes
out.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import TextIO

from aiohttp import web

ITEMS = 20
MAX_AGE_S = 3600
_WORDS = (
    *("harbour", "council", "ferry", "bridge", "market", "school", "library", "garden", "river", "station"),
    *("mayor", "budget", "storm", "orchard", "museum", "theatre", "election", "tunnel", "airport", "bakery"),
    *("lighthouse", "reservoir", "stadium", "parliament", "orchestra"),
)


def feed(number: int) -> bytes:
    """A feed of twenty entries that no other feed has, about 45 kB: the mean of real ones (collection.md §2.1)."""
    items = "".join(_item(number, place) for place in range(ITEMS))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"><channel>'
        f"<title>Gazette {number}</title><link>http://gazette{number}.example/</link>{items}</channel></rss>"
    ).encode()


def _item(number: int, place: int) -> str:
    chosen = [_WORDS[(number * 7 + place * 13 + at * (number % 5 + 3)) % len(_WORDS)] for at in range(260)]
    link = f"http://gazette{number}.example/2026/11/{place}.html"
    return (
        f"<item><title>{' '.join(chosen[:7]).capitalize()} {number}-{place}</title><link>{link}</link>"
        f"<guid>{link}</guid><pubDate>Tue, 24 Nov 2026 {place % 24:02d}:{number % 60:02d}:00 GMT</pubDate>"
        f"<description>{escape('<p>' + ' '.join(chosen) + '.</p>')}</description></item>"
    )


class Publisher:
    """Answers. A path's first letter says how: f a feed, g gone, m missing, b busy, s silent."""

    def __init__(self, log: TextIO, folder: Path | None) -> None:
        self._log = log
        self._folder = folder

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, and log it."""
        began = time.time()
        response = await self._response(request)
        sent = 0
        if isinstance(response, web.Response) and response.body is not None:
            sent = len(response.body)  # type: ignore[arg-type]  # always bytes here
        head = sum(len(name) + len(value) + 4 for name, value in response.headers.items()) + 60  # status, Date, Server
        asked = sum(len(name) + len(value) + 4 for name, value in request.raw_headers) + len(request.path) + 16
        line = (request.host, request.path, f"{began:.4f}", f"{time.time():.4f}", response.status, asked, sent + head)
        self._log.write("\t".join(map(str, line)) + "\n")
        self._log.flush()
        return response

    async def _response(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if self._folder is not None:
            return self._file(request)
        if path == "/robots.txt":
            return web.Response(status=404)
        how, number = path[1], int(path[2:].partition(".")[0])
        if how == "s":
            await asyncio.sleep(60)
        faults = {"g": (410, {}), "m": (404, {}), "b": (429, {"Retry-After": "7200"})}
        if how in faults:
            status, headers = faults[how]
            return web.Response(status=status, headers=headers)
        headers = {"ETag": f'"{number}"', "Cache-Control": f"max-age={MAX_AGE_S if how == 'c' else 0}"}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        response = web.Response(body=feed(number), content_type="application/rss+xml", headers=headers)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    def _file(self, request: web.Request) -> web.StreamResponse:
        assert self._folder is not None
        file = self._folder / request.path.lstrip("/")
        if ".." in request.path or not file.is_file():
            return web.Response(status=404)
        tag = f'"{file.stat().st_mtime_ns}-{file.stat().st_size}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        kind = "text/html" if file.suffix == ".html" else "application/octet-stream"
        return web.Response(body=file.read_bytes(), content_type=kind, headers={"ETag": tag})


async def _main(port: int, log: Path, folder: Path | None) -> None:
    with log.open("w", encoding="utf-8") as file:
        app = web.Application()
        app.router.add_get("/{path:.*}", Publisher(file, folder).answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        # 127.0.0.0/8 is all this machine, and answers only where the listener is bound to any address.
        await web.TCPSite(runner, "0.0.0.0", port, backlog=1024).start()  # noqa: S104
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


@asynccontextmanager
async def publishing(log: Path, *, port: int = 0, folder: Path | None = None) -> AsyncIterator[int]:
    """The server in a process of its own; gives its port."""
    arguments = [str(port), str(log), *([str(folder)] if folder else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.collect.publisher", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(_main(int(given[0]), Path(given[1]), Path(given[2]) if len(given) > 2 else None))
