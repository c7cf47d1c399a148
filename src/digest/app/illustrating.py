"""Between curating and composing: our own copies of the pictures of an issue's items.

Rules: an issue never waits for a picture longer than `images.deadline_s` for all of them together, and never fails for
one; what is there by then is shown. Each copy is kept as soon as it is made, so that a repeated run makes only what is
missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from digest.app.line import Line
from digest.collect.fetch import Fetcher
from digest.collect.picturing import copies
from digest.collect.resizing import Resized
from digest.collect.sandbox import Sandbox
from digest.compose.images import missing, wanted
from digest.model.errors import FeedMalformed, SourceUnreachable
from digest.model.image import ImageMode, ImageSize
from digest.model.issue import Issue, IssueState
from digest.store import articles, images, issues

log = structlog.get_logger()

_AT_ONCE = 8


async def illustrate(line: Line, issue: Issue) -> int:
    """Make the copies that a curated issue can need and that are missing; gives how many pictures were made."""
    settings = line.container.settings
    if issue.state is not IssueState.CURATED or settings.image_mode is not ImageMode.OWN:
        return 0
    todo = await asyncio.to_thread(_todo, line, issue)
    if not todo:
        return 0
    line.watch.step("fetching pictures")
    done: list[int] = []
    gate = asyncio.Semaphore(_AT_ONCE)
    async with (
        Fetcher(settings.collect, base_url=settings.site.base_url) as fetcher,
        Sandbox(jobs=("image",)) as sandbox,
    ):

        async def one(article_id: int, url: str, sizes: tuple[ImageSize, ...]) -> None:
            async with gate:
                try:
                    made = await copies(fetcher, sandbox, url, sizes=sizes)
                except (SourceUnreachable, FeedMalformed) as error:
                    log.info("image.failed", article=article_id, reason=error.message)
                    return
                await asyncio.to_thread(_keep, line, article_id, url, made)
                done.append(article_id)

        try:
            async with asyncio.timeout(settings.images.deadline_s), asyncio.TaskGroup() as group:
                for article_id, (url, sizes) in todo.items():
                    group.create_task(one(article_id, url, sizes))
        except TimeoutError:
            log.warning("images.late", issue=issue.id, made=len(done), missing=len(todo) - len(done))
    return len(done)


def _todo(line: Line, issue: Issue) -> dict[int, tuple[str, tuple[ImageSize, ...]]]:
    with line.container.store.read() as tx:
        sizes = wanted(issues.items(tx, issue.id))
        return missing(articles.by_ids(tx, list(sizes)), sizes, images.sources_of(tx, sizes))


def _keep(line: Line, article_id: int, url: str, made: Mapping[ImageSize, Resized]) -> None:
    with line.container.store.write() as tx:
        for size, copy in made.items():
            images.keep(
                tx,
                article_id,
                size,
                source_url=url,
                content=copy.content,
                width=copy.width,
                height=copy.height,
                now=tx.now(),
            )
