"""A local, append-only journal that keeps a crash from putting more in doubt than was on the wire.

The database knows which sub-batch was being sent; the journal knows which of its messages were. One line is written
before the first byte of a message, one after its reply was read; each is a single write, so a SIGKILL loses neither.
On the next start `recover` reads what a dead process left: a row without its first line was never on the wire, a row
with a reply is settled by it, and only what lies between the two is in doubt (RFC 1047).

A process holds a lock on its journal as long as it lives, so whoever gets the lock knows that the owner is dead, also
in a container that was made anew under another name. Only where another machine's lock may not be seen (`mounts`) its
journals are left alone. After a power cut the last lines may be missing: then (another boot id) a missing line proves
nothing, and everything that was being sent stays in doubt.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

import structlog

from digest.deliver.mounts import MOUNTINFO, locks_reach_everybody
from digest.model.delivery import DeliveryState, FailReason, Outcome
from digest.model.mailbox import Hindrance
from digest.store import bounces, deliveries, notices
from digest.store.engine import Store

log = structlog.get_logger()

_SUFFIX = ".journal"
_UNKNOWN = "unknown"
#: Stands where the issue's id would: the lease is on notices, and the subscriber's id is the notice's.
NOTICES = 0


class Journal:
    """This process's journal in ``folder``; a context manager. Its file is gone after an orderly end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}-{token_hex(4)}{_SUFFIX}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._handle = os.open(self._path, flags, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        os.write(self._handle, f"H {json.dumps(_here())}\n".encode())
        self._head_bytes = os.fstat(self._handle).st_size
        self._leases: set[str] = set()
        self._unwritten: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.flush()
        if not self._leases:  # else something is unsettled: the next start reads it
            self._path.unlink()
        os.close(self._handle)

    def begin(self, lease: str, issue_id: int) -> None:
        """A lease is about to be used."""
        self._leases.add(lease)
        self._write(f"L {lease} {issue_id}\n")

    def sending(self, lease: str, subscriber_id: int) -> None:
        """The first byte of a message may be written from now on."""
        self._write(f"D {lease} {subscriber_id}\n")

    def answered(self, lease: str, outcome: Outcome) -> None:
        """What became of it was read. It is written with the next line, at the latest by `flush`."""
        self._unwritten.append(f"R {lease} {outcome.subscriber_id} {_row(outcome)}\n")

    def flush(self) -> None:
        """Write what was answered and is not written yet: whoever sends nothing more for now has to call it."""
        if self._unwritten:
            self._write("")

    def end(self, lease: str) -> None:
        """Every outcome of the lease is in the database; when no other is open the journal starts over."""
        self._leases.discard(lease)
        if not self._leases:
            self._unwritten.clear()
            os.ftruncate(self._handle, self._head_bytes)

    def _write(self, line: str) -> None:
        if self._unwritten:
            line, self._unwritten = "".join(self._unwritten) + line, []
        os.write(self._handle, line.encode())


@dataclass(slots=True)
class _Left:
    """What a dead process left about one lease."""

    issue_id: int
    sending: set[int] = field(default_factory=set)
    answered: dict[int, Outcome] = field(default_factory=dict)


def recover(
    store: Store, folder: Path, *, doubt_pause: timedelta = deliveries.DOUBT_PAUSE, mountinfo: Path = MOUNTINFO
) -> dict[str, int]:
    """Settle what dead processes left behind in ``folder``; returns counts by kind. Safe to repeat.

    ``doubt_pause``: how long what is in doubt waits for its resend.
    """
    totals = {"settled": 0, "freed": 0, "doubted": 0}
    here = _here()
    for path in sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []:
        with _locked(path) as text:
            if text is None:
                continue
            head, leases = _read(text)
            if not head:
                continue  # just being made: its owner has not got to the lock yet
            if head["host"] != here["host"] and not locks_reach_everybody(folder, mountinfo):
                continue  # another machine's lock may not be visible here
            is_complete = head["boot"] == here["boot"] != _UNKNOWN
            for lease, left in leases.items():
                done = _restore(store, lease, left, is_complete=is_complete, doubt_pause=doubt_pause)
                for kind, count in done.items():
                    totals[kind] += count
            path.unlink()
    if any(totals.values()):
        log.info("journal.recovered", **totals)
    return totals


def _restore(store: Store, lease: str, left: _Left, *, is_complete: bool, doubt_pause: timedelta) -> dict[str, int]:
    on_wire = left.sending if is_complete else None
    outcomes = list(left.answered.values())
    with store.write() as tx:
        if left.issue_id == NOTICES:
            settled = notices.record(tx, lease=lease, outcomes=outcomes)
            freed, doubted = notices.restore(tx, lease=lease, on_wire=on_wire, now=tx.now())
            return {"settled": settled, "freed": freed, "doubted": doubted}
        settled = deliveries.record(tx, left.issue_id, lease=lease, outcomes=outcomes)
        bounces.note(tx, left.issue_id, outcomes)
        freed, doubted = deliveries.restore(
            tx, left.issue_id, lease=lease, on_wire=on_wire, now=tx.now(), doubt_pause=doubt_pause
        )
    return {"settled": settled, "freed": freed, "doubted": doubted}


@contextmanager
def _locked(path: Path) -> Iterator[str | None]:
    """The text of a journal whose owner is dead, locked against others who recover; None while it lives."""
    try:
        file = path.open(encoding="utf-8")
    except FileNotFoundError:  # somebody else has just settled it
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.read() if path.exists() else None


def _read(text: str) -> tuple[dict[str, Any], dict[str, _Left]]:
    head: dict[str, Any] = {}
    leases: dict[str, _Left] = {}
    for line in text.split("\n")[:-1]:  # a last line without its end was never wholly written
        kind, _, rest = line.partition(" ")
        if kind == "H":
            head = json.loads(rest)
            continue
        words = rest.split(" ", 2)
        if kind == "L":
            leases[words[0]] = _Left(int(words[1]))
        elif kind == "D":
            leases[words[0]].sending.add(int(words[1]))
            leases[words[0]].answered.pop(int(words[1]), None)
        elif kind == "R":
            leases[words[0]].answered[int(words[1])] = _outcome(json.loads(words[2]))
    return head, leases


def _here() -> dict[str, str]:
    """This machine, since it was started."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return {"host": socket.gethostname(), "boot": boot.read_text().strip() if boot.exists() else _UNKNOWN}


def _row(outcome: Outcome) -> str:
    """An outcome as JSON: its fields in order. Short and quickly made, because one is written for every mail."""
    if outcome.state is DeliveryState.SENT and not outcome.is_over:
        enhanced = f'"{outcome.enhanced_code}"' if outcome.enhanced_code else "null"
        said = f"{_quoted(outcome.relay)}, {outcome.reply_code}, {enhanced}, {_quoted(outcome.reply_text)}"
        return f'[{outcome.subscriber_id}, "sent", "{outcome.at.isoformat()}", {said}]'
    retry_at = outcome.retry_at.isoformat() if outcome.retry_at else None
    whole = [outcome.subscriber_id, outcome.state, outcome.at.isoformat(), outcome.relay, outcome.reply_code]
    whole += [outcome.enhanced_code, outcome.reply_text, outcome.reason, retry_at, outcome.address_is_dead]
    return json.dumps([*whole, outcome.hindrance, outcome.is_over, outcome.email_hash])


_quoted = json.encoder.encode_basestring_ascii


def _outcome(row: list[Any]) -> Outcome:
    subscriber_id, state, at, relay, code, enhanced, text, *rest = row
    reason, retry_at, is_dead, hindrance, is_over, email_hash = rest or (None, None, False, None, False, "")
    return Outcome(
        subscriber_id=subscriber_id,
        state=DeliveryState(state),
        at=datetime.fromisoformat(at),
        relay=relay,
        reply_code=code,
        enhanced_code=enhanced,
        reply_text=text,
        reason=FailReason(reason) if reason else None,
        retry_at=datetime.fromisoformat(retry_at) if retry_at else None,
        address_is_dead=is_dead,
        hindrance=Hindrance(hindrance) if hindrance else None,
        is_over=is_over,
        email_hash=email_hash,
    )
