"""The real site on a real loopback port, and requests to it that follow nothing and remember nothing."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette

from digest.app.container import Container
from digest.config.secrets import Keyring
from digest.config.settings import Settings
from digest.model.article import NewArticle
from digest.store.engine import Store
from digest.web.server import serving
from support.factories import NOW

KEYRING = Keyring([b"k" * 43])


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: str


def container_of(store: Store, folder: Path) -> Container:
    """An installation around an open store; own templates would lie in ``folder/templates``."""
    return Container(Settings(base_dir=folder), store, KEYRING)


@contextmanager
def running(app: Starlette, *, port: int = 0) -> Iterator[str]:
    """Serve an application in a thread of its own; gives its address."""
    address: Future[str] = Future()
    end: Future[None] = Future()

    async def main() -> None:
        async with serving(app, host="127.0.0.1", port=port) as base:
            address.set_result(base)
            await asyncio.wrap_future(end)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        yield address.result(timeout=10)
    finally:
        end.set_result(None)
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server did not stop"


def ask(
    base: str, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """One request on a connection of its own."""
    parts = urlsplit(base)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return Reply(
            answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
        )
    finally:
        connection.close()


def multipart(fields: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """A multipart/form-data body and its Content-Type."""
    mark = "=_one-click-part"
    lines = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return ("".join(lines) + f"--{mark}--\r\n").encode(), {"Content-Type": f'multipart/form-data; boundary="{mark}"'}


def new_article(**changes: Any) -> NewArticle:
    """A local article, which has no address of its own."""
    values: dict[str, Any] = {
        "identity": "i" * 64,
        "guid_hash": "g" * 64,
        "url": "",
        "canonical_url": "/srv/desk/harbour.txt",
        "title": "The harbour <opens>",
        "summary": "",
        "content_html": "<p>The harbour opened <em>today</em>.</p>",
        "text": "The harbour opened today.",
        "author": "Ann Example",
        "published_at": NOW,
        "published_is_day": False,
        "image_url": None,
        "image_alt": "",
        "language": "en",
        "labels": (),
        "position": 0,
        "content_hash": "c" * 64,
        "word_count": 4,
    }
    return NewArticle(**(values | changes))
