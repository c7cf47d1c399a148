"""The fence: a file beside the project that remembers what was mailed, whatever the database says.

A restored snapshot knows nothing of what was sent after it was taken. So before the first byte of an issue a line
with its period goes into this file and onto the disk, and afterwards one with the number of mails sent. A database
that knows less than the file is an older copy, and nothing is sent from it.

Rules: the file is only ever appended to, by any number of processes, one write a line. Lines of another
installation (a database made anew) do not count. A torn last line was followed by no mail, and is passed over. The
file is this machine's own: of what another machine sent it knows nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from digest.app.line import Line
from digest.model.errors import StoreUnavailable
from digest.model.issue import Issue, IssueState
from digest.store import installation, issues, rulings

log = structlog.get_logger()

_HEAD = """\
# What this machine has mailed: installation, publication, cadence, period, mails sent, when.
# Digest appends to it and never mails a period again that stands here and not in the database.
# When you restore the database, leave this file as it is.
"""
_NOT_BEGUN = frozenset(
    {IssueState.PLANNED, IssueState.COLLECTING, IssueState.CURATED, IssueState.COMPOSED, IssueState.APPROVED}
)


@dataclass(frozen=True, slots=True)
class Fence:
    """The file at ``path``, as far as it concerns one installation."""

    path: Path
    installation: str

    def sent(self, issue: Issue) -> int | None:
        """The most mails of the issue's period that this machine knows were sent; None: it never began."""
        return max((count for key, count in self._lines() if key == _key(issue)), default=None)

    def note(self, issue: Issue, *, sent: int) -> None:
        """Append a line and force it onto the disk. Raises StoreUnavailable when that cannot be done."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = " ".join([self.installation, *_key(issue), str(sent), now])
        try:
            is_new = not self.path.exists()
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                start = _HEAD if is_new else "" if _ends_a_line(handle) else "\n"
                os.write(handle, f"{start}{line}\n".encode())
                os.fsync(handle)
            finally:
                os.close(handle)
            if is_new:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise StoreUnavailable(
                f"the fence file {self.path} cannot be written: {error.strerror}",
                hint="without it no issue is begun; give this user write permission, or set delivery.fence_file",
            ) from error

    def _lines(self) -> Iterator[tuple[tuple[str, str, str], int]]:
        try:
            content = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreUnavailable(
                f"the fence file {self.path} cannot be read: {error.strerror}",
                hint="without it no issue is begun; give this user permission, or set delivery.fence_file",
            ) from error
        for number, line in enumerate(content.splitlines(), start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) != len(("installation", "publication", "cadence", "period", "sent", "at")):
                log.warning("fence.torn_line", line=number)
            elif words[0] == self.installation and words[4].isdecimal():
                yield (words[1], words[2], words[3]), int(words[4])


def refuse_restored(line: Line, issue: Issue) -> None:
    """Raise StoreUnavailable when this machine has mailed more of the issue than the database knows."""
    fence = _fence(line)
    known = fence.sent(issue)
    if known is None:
        return
    # Read after the file: whoever wrote the line had committed its state before.
    with line.container.store.read() as tx:
        issue = issues.get(tx, issue.id)
        counted = rulings.sent_count(tx, issue.id)
    name = f"the {issue.cadence} issue of {issue.publication_slug} for {issue.period_start}"
    if issue.state in _NOT_BEGUN:
        raise _older(
            f"{name} is {issue.state} in the database, but this machine has begun to mail it",
            f"`digest issue cancel {issue.id}`, or delete its lines in {fence.path} if you know that nobody got it",
        )
    if issue.state is IssueState.SENDING and counted < known:
        raise _older(
            f"{name} counts {counted} sent in the database, but this machine has sent {known}",
            f"`digest issue close {issue.id}`, or delete its lines in {fence.path} if you want it sent again",
        )


def begin(line: Line, issue: Issue) -> None:
    """Before the first byte: refuse an older copy of the database, and put the period on record."""
    refuse_restored(line, issue)
    fence = _fence(line)
    if fence.sent(issue) is None:
        fence.note(issue, sent=0)


def note_sent(line: Line, issue: Issue) -> None:
    """Put on record how many mails of the issue are sent by now, if it is more than before."""
    with line.container.store.read() as tx:
        counted = rulings.sent_count(tx, issue.id)
    fence = _fence(line)
    if counted > (fence.sent(issue) or 0):
        fence.note(issue, sent=counted)


def _fence(line: Line) -> Fence:
    settings = line.container.settings
    with line.container.store.read() as tx:
        return Fence(settings.path(settings.delivery.fence_file), installation.identity(tx))


def _key(issue: Issue) -> tuple[str, str, str]:
    return issue.publication_slug, issue.cadence, str(issue.period_start)


def _older(message: str, remedy: str) -> StoreUnavailable:
    return StoreUnavailable(f"{message}: it looks like a restored older copy", hint=f"nothing was sent; {remedy}")


def _ends_a_line(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
