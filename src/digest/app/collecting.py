"""Fetching between issues: the sources of a publication, and then the stories of what came in.

Stories are told once a run, after its last source: comparing with a month of articles costs a second, whether one
source brought something or a thousand did.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from digest.app.container import Container
from digest.app.stories import join
from digest.collect.refresh import SourceReport, refresh
from digest.collect.reports import Progress
from digest.store.engine import Store


async def collect(
    container: Container,
    publication_id: int,
    *,
    now: datetime,
    all_sources: bool = False,
    only: frozenset[int] | None = None,
    skip: frozenset[int] = frozenset(),
    progress: Progress | None = None,
) -> list[SourceReport]:
    """Fetch sources as `collect.refresh` does, and put what came in into stories."""
    reports = await refresh(
        container.store,
        publication_id,
        settings=container.settings,
        now=now,
        all_sources=all_sources,
        only=only,
        skip=skip,
        progress=progress,
    )
    await asyncio.to_thread(tell_stories, container.store, now=now)
    return reports


def tell_stories(store: Store, *, now: datetime) -> int:
    """Put every article that has no story yet into one, in a transaction of its own; returns how many got a place.

    Where two processes do it at once the second finds nothing left to do.
    """
    with store.write() as tx:
        return join(tx, now=now)
