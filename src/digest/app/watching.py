"""Local sources, watched: a file that is saved is in the ledger a moment later, not at the next look.

The clock looks at them every quarter of an hour anyway, so nothing depends on this but the wait: folders on network
drives tell nobody of changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import structlog
from watchfiles import awatch

from digest.app.clock import Clock, system_clock
from digest.app.collecting import collect
from digest.app.container import Container
from digest.feeds.localfile import SUFFIXES
from digest.model.article import Source
from digest.model.errors import DigestError
from digest.store import publications, sources

log = structlog.get_logger()

_DEBOUNCE_MS = 200  # editors write a file in two or three steps
_STEP_MS = 50
#: How soon a source that was added just now is watched, too.
_LOOK_AGAIN_MS = 5000


async def watch_local(
    container: Container, *, clock: Clock = system_clock, look_again_ms: int = _LOOK_AGAIN_MS
) -> None:
    """Read local sources again when their files change, until cancelled."""
    stamps: dict[Path, int] = {}
    while True:
        watched = await asyncio.to_thread(_present, container)
        if not watched:
            await asyncio.sleep(look_again_ms / 1000)
            continue
        # A file is watched itself, not its folder, which may be somebody's whole home. Editors put another file in its
        # place: then the watch is set up anew, and the time stamp tells what was saved meanwhile.
        changes = awatch(
            *watched, debounce=_DEBOUNCE_MS, step=_STEP_MS, rust_timeout=look_again_ms, yield_on_timeout=True
        )
        replaced = _restamp(watched, stamps)
        async for changed in changes:
            saved = [Path(name) for _, name in changed]
            replaced |= _restamp(watched, stamps)
            touched = replaced | {place for place in watched if any(_is_of(place, path) for path in saved)}
            if touched:
                await _read_again(container, frozenset(watched[place].id for place in touched), clock)
            if replaced or (await asyncio.to_thread(_present, container)).keys() != watched.keys():
                break


def _present(container: Container) -> dict[Path, Source]:
    """Local sources that are read, by the path that is there now."""
    with container.store.read() as tx:
        local = [source for source in sources.in_use(tx) if source.kind.is_local and not source.paused]
    return {Path(source.url): source for source in local if Path(source.url).exists()}


def _restamp(watched: Iterable[Path], stamps: dict[Path, int]) -> set[Path]:
    """Files that have another time of change than when they were looked at before; folders tell of it themselves."""
    changed: set[Path] = set()
    for place in watched:
        try:
            stamp = 0 if place.is_dir() else place.stat().st_mtime_ns
        except OSError:  # it is being replaced at this moment
            continue
        if stamps.get(place, stamp) != stamp:
            changed.add(place)
        stamps[place] = stamp
    return changed


def _is_of(place: Path, changed: Path) -> bool:
    return changed == place or (changed.suffix.lower() in SUFFIXES and place in changed.parents)


async def _read_again(container: Container, touched: frozenset[int], clock: Clock) -> None:
    with container.store.read() as tx:
        known = publications.list_all(tx)
    done: set[int] = set()
    for publication in known:
        try:
            reports = await collect(container, publication.id, now=clock(), all_sources=True, only=touched - done)
        except DigestError as error:  # the clock meets it, too, and says more
            log.warning("watch.failed", error=error.message, hint=error.hint)
            return
        done |= {report.source_id for report in reports}
        for report in reports:
            log.info("source.saved", source=report.source_id, new=report.new, updated=report.updated)
