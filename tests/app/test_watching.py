from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from digest.app.container import Container
from digest.app.watching import watch_local
from digest.collect.check import add_source
from digest.store import articles
from digest.store.engine import Store
from support.paper import MORNING, a_paper, write_article


@pytest.fixture
def paper(sqlite_database: str, tmp_path: Path) -> Container:
    return a_paper(Store(sqlite_database), tmp_path, articles=1)


@asynccontextmanager
async def _watching(paper: Container) -> AsyncIterator[None]:
    task = asyncio.create_task(watch_local(paper, look_again_ms=200))
    await asyncio.sleep(0.5)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _titles(paper: Container) -> set[str]:
    with paper.store.read() as tx:
        return {article.title for article in articles.list_recent(tx)}


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come")


async def test_a_file_saved_in_a_folder_is_there_at_once(paper: Container, tmp_path: Path):
    async with _watching(paper):
        write_article(tmp_path / "articles", "x", title="Saved just now")
        await _until(lambda: "Saved just now" in _titles(paper))
        (tmp_path / "articles" / "sub").mkdir()
        write_article(tmp_path / "articles" / "sub", "y", title="Below it")
        await _until(lambda: "Below it" in _titles(paper))


async def test_a_file_that_an_editor_replaces_is_read_each_time(paper: Container, tmp_path: Path):
    file = tmp_path / "one.txt"
    file.write_text("First title\n\nA text of the file.")
    await add_source(paper.store, 1, str(file), settings=paper.settings, now=MORNING)
    async with _watching(paper):
        for title in ("Second title", "Third title"):
            beside = tmp_path / ".one.txt.tmp"
            beside.write_text(f"{title}\n\nA text of the file.")
            os.replace(beside, file)  # noqa: PTH105 - as editors do it
            await _until(lambda title=title: title in _titles(paper))  # type: ignore[misc]  # bound at once
            await asyncio.sleep(0.3)


async def test_a_source_added_meanwhile_is_watched_too(paper: Container, tmp_path: Path):
    write_article(tmp_path / "more", "a")
    async with _watching(paper):
        await add_source(paper.store, 1, str(tmp_path / "more"), settings=paper.settings, now=MORNING)
        await asyncio.sleep(0.6)
        write_article(tmp_path / "more", "b", title="In the new folder")
        await _until(lambda: "In the new folder" in _titles(paper))
