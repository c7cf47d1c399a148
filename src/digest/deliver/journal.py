"""A local, append-only journal that keeps a crash from putting more in doubt than was on the wire.

The database knows which sub-batch was being sent; the journal knows which of its messages were. One line is written
before the first byte of a message, one after its reply was read; each is a single write, so a SIGKILL loses neither.
On the next start `recover` reads what a dead process left: a row without its first line was never on the wire, a row
with a reply is settled by it, and only what lies between the two is in doubt (RFC 1047).

A process holds a lock on its journal as long as it lives, so whoever gets the lock knows that the owner is dead.
After a power cut the last lines may be missing: then (another boot id) a missing line proves nothing, and
everything that was being sent stays in doubt.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

import structlog

from digest.model.delivery import DeliveryState, FailReason, Outcome
from digest.store import deliveries
from digest.store.engine import Store

log = structlog.get_logger()

_SUFFIX = ".journal"


class Journal:
    """This process's journal in ``folder``; a context manager. Its file is gone after an orderly end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}-{token_hex(4)}{_SUFFIX}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._handle = os.open(self._path, flags, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        self._write("H", json.dumps(_here()))
        self._head_bytes = os.fstat(self._handle).st_size
        self._leases: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if not self._leases:  # else something is unsettled: the next start reads it
            self._path.unlink()
        os.close(self._handle)

    def begin(self, lease: str, issue_id: int) -> None:
        """A lease is about to be used."""
        self._leases.add(lease)
        self._write("L", lease, str(issue_id))

    def sending(self, lease: str, subscriber_id: int) -> None:
        """The first byte of a message may be written from now on."""
        self._write("D", lease, str(subscriber_id))

    def answered(self, lease: str, outcome: Outcome) -> None:
        """What became of it was read."""
        self._write("R", lease, str(outcome.subscriber_id), json.dumps(_plain(outcome)))

    def end(self, lease: str) -> None:
        """Every outcome of the lease is in the database; when no other is open the journal starts over."""
        self._leases.discard(lease)
        if not self._leases:
            os.ftruncate(self._handle, self._head_bytes)

    def _write(self, *words: str) -> None:
        os.write(self._handle, (" ".join(words) + "\n").encode())


@dataclass(slots=True)
class _Left:
    """What a dead process left about one lease."""

    issue_id: int
    sending: set[int] = field(default_factory=set)
    answered: dict[int, Outcome] = field(default_factory=dict)


def recover(store: Store, folder: Path) -> dict[str, int]:
    """Settle what dead processes of this machine left behind; returns counts by kind. Safe to repeat."""
    totals = {"settled": 0, "freed": 0, "doubted": 0}
    for path in sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []:
        with _locked(path) as text:
            if text is None:
                continue
            head, leases = _read(text)
            if head.get("host") != _here()["host"]:
                continue  # a shared folder: another machine's locks may not be visible here
            is_complete = head == _here()
            for lease, left in leases.items():
                for kind, count in _restore(store, lease, left, is_complete=is_complete).items():
                    totals[kind] += count
            path.unlink()
    if any(totals.values()):
        log.info("journal.recovered", **totals)
    return totals


def _restore(store: Store, lease: str, left: _Left, *, is_complete: bool) -> dict[str, int]:
    with store.write() as tx:
        settled = deliveries.record(tx, left.issue_id, lease=lease, outcomes=list(left.answered.values()))
        freed, doubted = deliveries.restore(
            tx, left.issue_id, lease=lease, on_wire=left.sending if is_complete else None, now=tx.now()
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
    return {"host": socket.gethostname(), "boot": boot.read_text().strip() if boot.exists() else "unknown"}


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {
        "subscriber_id": outcome.subscriber_id,
        "state": outcome.state,
        "at": outcome.at.isoformat(),
        "relay": outcome.relay,
        "reply_code": outcome.reply_code,
        "enhanced_code": outcome.enhanced_code,
        "reply_text": outcome.reply_text,
        "reason": outcome.reason,
        "retry_at": outcome.retry_at.isoformat() if outcome.retry_at else None,
        "address_is_dead": outcome.address_is_dead,
    }


def _outcome(plain: dict[str, Any]) -> Outcome:
    return Outcome(
        **{
            **plain,
            "state": DeliveryState(plain["state"]),
            "at": datetime.fromisoformat(plain["at"]),
            "reason": FailReason(plain["reason"]) if plain["reason"] else None,
            "retry_at": datetime.fromisoformat(plain["retry_at"]) if plain["retry_at"] else None,
        }
    )
