"""Progress on the terminal: a bar for each issue, how fast it goes, when it will be through, and why it waits.

Rules: on stderr, only where that is a terminal and no ``--json`` was asked for; gone when the work is done. Times are
the machine's own, because a person reads them. Nothing is asked of the database here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from digest.app.line import Watch
from digest.app.progress import Pace, Progress, local_time
from digest.cli import output
from digest.collect.refresh import SourceReport
from digest.model.delivery import DeliveryState, Outcome
from digest.model.issue import Issue

_S = DeliveryState
#: Named under the bar when there are any. Those skipped are done, and told at the end.
_NAMED = ((_S.DEFERRED, "deferred", "yellow"), (_S.FAILED, "failed", "red"), (_S.UNKNOWN, "in doubt", "magenta"))
_FRAMES_A_SECOND = 4


@dataclass(slots=True)
class Row:
    """What is shown of one issue. Told by the threads that record, drawn by the one that draws."""

    title: str
    step: str = "starting"
    waiting: str = ""
    pace: Pace = field(default_factory=Pace)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self) -> Watch:
        """What tells this row."""
        return Watch(
            step=self.take_step,
            source=self._take_source,
            outcomes=self._take_outcomes,
            waiting=self.take_waiting,
            tally=self._take_tally,
        )

    def follow(self, found: Progress, *, now: float) -> None:
        """Take what the database says, with what changed since the last time as speed."""
        with self.lock:
            self.pace.follow(found.audience, found.counts, now=now)

    def is_moving(self, *, now: float) -> bool:
        """Whether anything was settled in the last seconds."""
        with self.lock:
            return self.pace.progress(now=now).rate > 0

    def take_step(self, text: str) -> None:
        """Say what is being done."""
        self.step = text

    def _take_source(self, report: SourceReport) -> None:
        self.step = f"collecting {report.title}"

    def take_waiting(self, reason: str) -> None:
        """Say why nothing goes out; "" when it does."""
        self.waiting = reason

    def _take_outcomes(self, done: Sequence[Outcome]) -> None:
        with self.lock:
            self.pace.add(done, now=time.monotonic())

    def _take_tally(self, found: Progress) -> None:
        with self.lock:
            self.pace.begin(found.audience, found.counts, now=time.monotonic())

    def lines(self, spinner: Spinner, *, now: float) -> Iterator[RenderableType]:
        """The row as it is drawn now."""
        with self.lock:
            found = self.pace.progress(now=now)
        grid = Table.grid(padding=(0, 1))
        if not found.audience:
            grid.add_row(spinner, Text(f"{self.title} {self.step}".strip(), no_wrap=True, overflow="ellipsis"))
            yield grid
            return
        grid.expand = True
        for ratio in (None, 1, None, None, None):
            grid.add_column(ratio=ratio, no_wrap=True)
        done, when = f"{found.done:,}/{found.audience:,}", remaining(found, now=_wall_clock())
        grid.add_row(
            Text(self.title or self.step),
            ProgressBar(total=found.audience, completed=found.done),
            Text(done),
            Text(speed(found.rate), style="cyan"),
            Text(when),
        )
        yield grid
        named = [Text(f"{found.counts[state]:,} {word}", style) for state, word, style in _NAMED if found.counts[state]]
        if named:
            yield Text("  ") + Text(" · ").join(named)
        if self.waiting:
            yield Padding(Text(self.waiting, style="yellow", overflow="fold"), (0, 0, 0, 2))


class Board:
    """All rows, drawn as they are at the moment."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._spinner = Spinner("dots")

    def row(self, title: str = "") -> Row:
        """A new row; the title tells several apart."""
        made = Row(title)
        self._rows.append(made)
        return made

    def __rich__(self) -> RenderableType:
        """One frame."""
        now = time.monotonic()
        return Group(*(line for row in list(self._rows) for line in row.lines(self._spinner, now=now)))


def speed(rate: float) -> str:
    """Mails a second, with a decimal where it is slow; nothing where nothing moves."""
    if not rate:
        return ""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def remaining(found: Progress, *, now: datetime) -> str:
    """When what can go out now will have gone out, on the wall clock and as a span; nothing when nobody can tell."""
    if found.left_s is None:
        return ""
    left = timedelta(seconds=found.left_s)
    if left > timedelta(days=7):
        return "over a week"
    return f"until {local_time(now + left, now=now)} ({span(left)})"


def span(length: timedelta) -> str:
    """How long, in its two largest units."""
    seconds = max(1, round(length.total_seconds()))
    for unit_s, unit, part_s, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit_s:
            rest = seconds % unit_s // part_s
            return f"{seconds // unit_s} {unit} {rest} {part}" if rest else f"{seconds // unit_s} {unit}"
    return f"{seconds} s"


@contextmanager
def shown(*, quiet: bool) -> Iterator[Board | None]:
    """A board on the terminal while the block lasts; None where nobody looks: in pipes and with ``--json``.

    What is logged meanwhile appears above it.
    """
    if quiet or not output.stderr.is_terminal:
        yield None
        return
    board = Board()
    # A console of its own: the lines of `output` are never broken, those of the board are.
    console = Console(stderr=True, highlight=False, emoji=False)
    with Live(board, console=console, transient=True, refresh_per_second=_FRAMES_A_SECOND):
        yield board


@contextmanager
def watching_one(*, quiet: bool) -> Iterator[Watch]:
    """For one line: the steps before the sending, then the bar."""
    with shown(quiet=quiet) as board:
        yield board.row().watch() if board is not None else Watch()


@contextmanager
def watching_each(*, quiet: bool) -> Iterator[Watch]:
    """For several issues side by side: a bar for each, named by its publication."""
    with shown(quiet=quiet) as board:
        yield Watch(of=_rows_of(board)) if board is not None else Watch()


def _rows_of(board: Board) -> Callable[[Issue], Watch]:
    return lambda issue: board.row(issue.publication_slug).watch()


def _wall_clock() -> datetime:
    return datetime.now().astimezone()
