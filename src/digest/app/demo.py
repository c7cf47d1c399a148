"""`digest demo`: the whole line on one machine, from sample newsroom to audited issue, played for real.

Rules: no step is pretended. Articles come over HTTP, mails go over SMTP into a capture mailbox, the reader leaves
by the request that mailbox providers send (`demo_acts`). Nothing of the user's own installation is read: settings
come from the project made here, and ``DIGEST_…`` variables are hidden meanwhile. Whether it all holds is for
`demo_facts` to say, and `demo_story` to tell.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment

from digest.app import project
from digest.app.container import Container, open_container
from digest.app.demo_acts import Play, Stage
from digest.app.demo_facts import CAST, Performance
from digest.app.demo_story import story
from digest.app.newsroom import (
    FileServer,
    environment,
    fixed,
    html_page,
    load,
    newsroom_folder,
    pages,
    serving_pages,
)
from digest.model.errors import BadInput
from digest.smtp.capture import CaptureServer

#: Runs the public site of an installation on a port while the block lasts. Handed in: pages are a layer above.
Site = Callable[[Container, int], AbstractAsyncContextManager[str]]

_MAILS = "mails"


@asynccontextmanager
async def performed(folder: Path, *, site: Site, stage: Stage, stays_up: bool = False) -> AsyncIterator[Performance]:
    """Play the demo in an empty or new folder; its pages and the site stay up while the block lasts.

    ``stays_up`` only says what to promise on the page with the mails. Raises BadInput when there is something in
    the folder already, DigestError when a step cannot be done.
    """
    _require_empty(folder)
    source = newsroom_folder()
    env = environment(source)
    with without_environment(), CaptureServer(folder / _MAILS) as mailbox, serving_pages() as paper:
        now = datetime.now(UTC)
        port = _free_port()
        stage.doing("Making a project")
        made = project.create(folder, _settings(port, relay_port=mailbox.port))
        stage.done("Made a project: settings, secret key, SQLite database")
        with open_container(made.config) as container:
            async with site(container, port):
                newsroom = load(source, base_url=paper.base_url, now=now)
                paper.pages.update(pages(newsroom, env=env, now=now))
                play = Play(container, folder, newsroom, mailbox, stage)
                played = await play.perform(now, home_url=paper.base_url)
                _publish(played, paper, env, stays_up=stays_up)
                yield played


@contextmanager
def without_environment() -> Iterator[None]:
    """Hide every ``DIGEST_…`` variable while the block runs: none of them may lead the demo to a real database."""
    hidden = {name: value for name, value in os.environ.items() if name.startswith("DIGEST_")}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def _require_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is not an empty folder", hint="name a new one, or none for a temporary one")


def _free_port() -> int:
    """A port for the site, known before anything is composed: links in the mails name it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _settings(port: int, *, relay_port: int) -> dict[str, object]:
    return {
        "site.base_url": f"http://127.0.0.1:{port}",
        "relays.default.host": "127.0.0.1",
        "relays.default.port": relay_port,
        "collect.allow_private_networks": True,  # the newsroom is on this machine
        "logging.level": "error",  # the demo tells of the broken feed itself
    }


def _publish(played: Performance, paper: FileServer, env: Environment, *, stays_up: bool) -> None:
    """Write the page with all mails into the folder, and serve it and them."""
    wants = {reader.email: reader.wants for reader in CAST}
    index = html_page(
        env,
        "mails.html",
        publication=played.publication.name,
        mails=[
            {"mail": mail, "wants": wants.get(mail.email, ""), "count": len(played.titles_in(mail))}
            for mail in played.mails
        ],
        chapters=story(played),
        addresses=played.addresses if stays_up else {},
    )
    played.index.write_bytes(index.make())
    paper.pages["/"] = index
    for mail in played.mails:
        for path, kind in ((mail.html, "text/html"), (mail.text, "text/plain"), (mail.eml, "text/plain")):
            if path is not None:
                paper.pages[f"/{_MAILS}/{path.name}"] = fixed(f"{kind}; charset=utf-8", path.read_bytes())
