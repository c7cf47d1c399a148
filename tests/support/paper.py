"""A small paper of local files, ready to run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from digest.app.clock import clock_from
from digest.app.container import Container
from digest.app.line import Line
from digest.app.run import RunResult, run
from digest.collect.check import add_source
from digest.model.publication import Cadence, CadenceRule
from digest.store.engine import Store
from support.factories import make_publication, make_subscription
from support.sending import line_of, make_container

MORNING = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)


def write_article(folder: Path, name: str, *, title: str = "", words: str = "") -> None:
    folder.mkdir(exist_ok=True)
    body = words or f"The story of {name} in one paragraph that says enough to be read by somebody. " * 3
    (folder / f"{name}.md").write_text(f"---\ntitle: {title or f'News of {name}'}\n---\n\n{body}\n")


def a_paper(
    store: Store, folder: Path, *, readers: int = 3, articles: int = 2, port: int = 9, **sections: Any
) -> Container:
    """A publication with a folder of articles as its source and readers who want everything."""
    relays = {"default": {"host": "127.0.0.1", "port": port, **sections.pop("relay", {})}}
    container = make_container(store, relays=relays, **sections)
    for number in range(articles):
        write_article(folder / "articles", f"n{number}")
    with store.write() as tx:
        daily = Cadence("daily", CadenceRule.DAILY, time(7, 0))
        publication = make_publication(tx, timezone="UTC", cadence=daily)
        for number in range(1, readers + 1):
            make_subscription(tx, publication, f"reader{number}@example.com")
    address = str(folder / "articles")
    asyncio.run(add_source(store, publication.id, address, settings=container.settings, now=MORNING))
    return container


def run_paper(container: Container, *, at: datetime = MORNING, **more: Any) -> RunResult:
    """One `digest run` as if it were ``at``."""
    line = a_line(container, at=at, **more)
    return asyncio.run(run(line, line.publication.cadences[0]))


def a_line(container: Container, *, at: datetime = MORNING, **more: Any) -> Line:
    return line_of(container, clock=clock_from(at), **more)
