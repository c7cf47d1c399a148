"""Telling every open tab that a template was saved: one watcher, any number of event streams.

Rules: used from one event loop. A stream ends by itself when the server stops; until then it says something every
fifteen seconds, so that a closed tab is noticed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

from watchfiles import awatch

_DEBOUNCE_MS = 40  # editors write a file in two or three steps; more would be felt
_STEP_MS = 10
_LOOK_AGAIN_MS = 2000  # how soon a templates folder that was made just now is noticed
_HEARTBEAT_S = 15.0


class Changes:
    """A counter of saves that streams can wait for. ``generation`` is asked, in a thread, after each."""

    def __init__(self, folders: Sequence[Path], generation: Callable[[], int]) -> None:
        self._folders = tuple(folders)
        self._generation = generation
        self._told = ""
        self._count = 0
        self._closed = False
        self._next = asyncio.Event()

    async def watch(self) -> None:
        """Count every save below the folders, those that come to exist later included, until cancelled."""
        while not self._closed:
            present = self._present()
            if not present:
                await asyncio.sleep(_LOOK_AGAIN_MS / 1000)
                continue
            await self._watch(present)

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    async def stream(self) -> AsyncIterator[str]:
        """Server-sent events: ``change`` with the generation and when the file was written (Unix ms), after each."""
        seen = self._count
        yield "retry: 500\n\n"
        while not self._closed:
            waiting = self._next
            if self._count == seen:
                try:
                    await asyncio.wait_for(waiting.wait(), _HEARTBEAT_S)
                except TimeoutError:
                    yield ": still here\n\n"
                continue
            seen = self._count
            yield f"event: change\ndata: {self._told}\n\n"

    async def _watch(self, present: Sequence[Path]) -> None:
        async for saved in awatch(
            *present, debounce=_DEBOUNCE_MS, step=_STEP_MS, rust_timeout=_LOOK_AGAIN_MS, yield_on_timeout=True
        ):
            if saved:
                generation = await asyncio.to_thread(self._generation)
                self._told = json.dumps({"generation": generation, "saved_at": _saved_at(path for _, path in saved)})
                self._count += 1
                self._wake()
            if self._present() != present:
                return

    def _present(self) -> list[Path]:
        return [folder for folder in self._folders if folder.is_dir()]

    def _wake(self) -> None:
        self._next.set()
        self._next = asyncio.Event()


def _saved_at(paths: Iterable[str]) -> int:
    """When the newest of these files was written, in Unix milliseconds; now, when they are gone."""
    there = [Path(path).stat().st_mtime for path in paths if Path(path).is_file()]
    return int(max(there, default=time.time()) * 1000)
