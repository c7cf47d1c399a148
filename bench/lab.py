"""One measurement's surroundings: databases, a folder for what sinks write, and whether it is only a quick look."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import workshop
from bench.databases import Databases
from bench.sinks import Sink, SinkOptions, start_sink, start_smtp_sink

_QUICK = 10  # a quick look sends so many times fewer messages


@dataclass(frozen=True, slots=True)
class Lab:
    """Where things are measured. ``is_quick``: small numbers and one round, to see that everything runs."""

    databases: Databases
    is_quick: bool = False
    rounds: int = 3
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def scaled(self, count: int) -> int:
        """So many messages, or fewer for a quick look."""
        return max(20, count // _QUICK) if self.is_quick else count

    def say(self, text: str) -> None:
        """Tell the person who waits."""
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def sink(self, options: SinkOptions, folder: Path | None = None) -> Iterator[Sink]:
        """A fresh sink. Its log and kept mails go to ``folder``, else to one that is gone with it."""
        with ExitStack() as stack:
            where = folder or stack.enter_context(self.folder("sink"))
            if options.postfix:
                yield stack.enter_context(start_smtp_sink(workshop.postfix(), where, is_pinned=options.is_pinned))
                return
            pair = workshop.certificate() if options.tls else None
            yield stack.enter_context(start_sink(workshop.sink_program(), options, where, certificate=pair))

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """An empty folder for one run, gone afterwards."""
        path = self.databases.folder / f"{name}-{next(self._numbers)}"
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path)
