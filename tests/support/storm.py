"""A storm over one issue: workers, relay, database and clock are killed, frozen and restarted while it is sent.

What happens next is decided by a seed; when, by how many mails have arrived, so every fault hits work under way.
The processes are real ones (`zygote`), the relay is the sink with bad luck (`misfortunes`).
"""

from __future__ import annotations

import contextlib
import heapq
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Self

from digest.app import editions
from digest.model.delivery import OnDoubt
from digest.model.errors import StoreUnavailable
from digest.model.issue import IssueState
from digest.store import issues, standing
from digest.store.engine import Store
from support.postgres import Cluster
from support.sending import KEY
from support.sink import Sink, start_sink
from support.zygote import Actor, Zygote

TIMEOUT_S = 5
#: How often each kind of fault comes, out of twenty.
_SHARES = {"kill": 9, "stop": 4, "relay": 4, "database": 3}
_RUN = ("run", "morning", "--at", "2026-11-22T07:30:00Z")
#: A writer that dies in the middle of lies, spilled into the log of the database but never committed.
_LIAR = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("UPDATE delivery SET state = 'sent', relay = 'a lie', sent_at = 0, reply_code = 250")
print("lied", flush=True)
time.sleep(60)
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """One storm. ``odds`` are the relay's; ``pace_s`` what it thinks about each mail for, for each worker."""

    deliveries: int
    faults: int
    workers: int
    on_doubt: str
    seed: int
    odds: dict[str, float]
    pace_s: float = 0.006
    lease_s: int = 4
    doubt_pause_s: int = 5


@dataclass(slots=True)
class Fault:
    """Something that happened to us, with its beginning and end (Unix time), and the workers it hit."""

    kind: str
    begin: float
    end: float
    hit: int


class Relay:
    """The sink at one port, through deaths and restarts, with one log."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder, self._plan = folder, plan
        self._stack = contextlib.ExitStack()
        self._runs = 0
        self._offset = 0
        self.sink: Sink | None = None
        self.port = 0
        self.accepted = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start, at the same port from the second time on."""
        luck = {**self._plan.odds, "seed": f"{self._plan.seed}/{self._runs}"}
        pace = self._plan.pace_s * self._plan.workers
        running = start_sink(self._folder, port=self.port, keep=False, delay_s=pace, chaos=luck)
        self.sink = self._stack.enter_context(running)
        self.port = self.sink.port
        self._runs += 1

    def kill(self) -> None:
        """SIGKILL: connections die, whatever has been written down stays."""
        assert self.sink is not None
        assert self.sink.process is not None
        self.sink.process.kill()
        self.sink.process.wait(10)
        self._stack.close()
        self.sink = None

    def count(self) -> int:
        """Mails that have arrived so far. Reads only what is new in the log."""
        log = self._folder / "sink.log"
        if log.exists():
            with log.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._offset += len(whole)
            self.accepted += whole.count(b'"event": "accepted"')
        return self.accepted


@dataclass
class Storm:
    """A storm under way. ``run`` it once; then ``faults`` tells what happened."""

    plan: Plan
    store: Store
    issue_id: int
    folder: Path
    nursery: Zygote
    relay: Relay
    cluster: Cluster | None = None
    faults: list[Fault] = field(default_factory=list)
    audits: int = 0

    def __post_init__(self) -> None:
        self._rng = Random(self.plan.seed)  # noqa: S311 - a seeded storm can be repeated
        self._workers: list[Actor] = []
        self._clock: Actor | None = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._ids = count()
        self._next_start = 0.0
        self._locker: sqlite3.Connection | None = None
        self._is_hurried = False
        (self.folder / "digest.key").write_bytes(KEY)
        given = {
            "database__url": self.store.url.render_as_string(hide_password=False),
            "site__base_url": "https://news.example.com",
            "relays__default__host": "127.0.0.1",
            "relays__default__port": self.relay.port,
            "relays__default__timeout_s": TIMEOUT_S,
            "delivery__lease_s": self.plan.lease_s,
            "delivery__on_doubt": self.plan.on_doubt,
            "delivery__doubt_pause_s": self.plan.doubt_pause_s,
            "delivery__retry_first_s": 1,
            "logging__level": "warning",
        }
        self._environment = {f"DIGEST_{name.upper()}": str(value) for name, value in given.items()}

    @property
    def has_clock(self) -> bool:
        """Whether the workers are `digest worker` with a clock of their own beside them."""
        return self.cluster is not None and self.plan.workers > 1

    def run(self, *, patience_s: float) -> None:
        """Let it rage, until every fault has happened and the issue is sent."""
        kinds = self._kinds()
        when = sorted(self._rng.uniform(0.02, 0.95) * self.plan.deliveries for _ in kinds)
        end = time.monotonic() + patience_s
        next_look = 0.0
        try:
            while True:
                now = time.monotonic()
                self._ring(now)
                if kinds and self.relay.count() >= when[0]:
                    when.pop(0)
                    self._befall(kinds.pop())
                self._supervise(now)
                if now >= next_look:
                    next_look = now + 0.5
                    if self._is_sent() and not self._timers:
                        return
                    if not kinds:
                        self._hurry()
                assert now < end, f"the issue does not come to an end (seed {self.plan.seed}): {self._last_words()}"
                time.sleep(0.02)
        finally:
            self._end()

    def logs(self) -> str:
        """What every process said."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("actor-*.log")))

    def _kinds(self) -> list[str]:
        kinds = [kind for kind, share in _SHARES.items() for _ in range(share)]
        if self.has_clock:
            kinds.append("clock")
        dealt = [kinds[at % len(kinds)] for at in range(max(0, self.plan.faults - len(_SHARES)))]
        if len(dealt) < len(kinds):
            dealt = self._rng.sample(kinds, len(dealt))
        dealt += list(_SHARES)[: self.plan.faults]  # each kind at least once
        self._rng.shuffle(dealt)
        return dealt

    # --- keeping it going ---

    def _supervise(self, now: float) -> None:
        """As a supervisor does: in place of every worker that ended or froze another is started."""
        self._workers = [worker for worker in self._workers if worker.is_alive]
        active = [worker for worker in self._workers if not worker.is_stopped]
        if len(active) < self.plan.workers and now >= self._next_start:
            self._next_start = now + 0.2
            self._workers.append(self._start(*(("worker",) if self.has_clock else _RUN)))
        elif len(active) > self.plan.workers:
            active[0].send(signal.SIGTERM)  # one that woke up again
        if self.has_clock and (self._clock is None or not self._clock.is_alive):
            self._clock = self._start("serve", "--no-deliver", "--port", "0")

    def _start(self, *arguments: str) -> Actor:
        log = self.folder / f"actor-{next(self._ids):04d}.log"
        return self.nursery.start(*arguments, folder=self.folder, log=log, environment=self._environment)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._ids), act))

    def _ring(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def _is_sent(self) -> bool:
        try:
            with self.store.read() as tx:
                return issues.get(tx, self.issue_id).state is IssueState.SENT
        except StoreUnavailable:
            return False  # it is just being restarted

    def _hurry(self) -> None:
        """Start the clock anew once nothing remains but to close the issue: it looks at once, else every 15 s."""
        try:
            with self.store.read() as tx:
                remains = standing.remains(tx, self.issue_id, on_doubt=OnDoubt(self.plan.on_doubt))
        except StoreUnavailable:
            return  # it is just being restarted
        if self._clock is not None and not remains and not self._is_hurried:
            self._is_hurried = self._clock.send(signal.SIGTERM)

    def _end(self) -> None:
        self._release_lock()
        for actor in [*self._workers, *([self._clock] if self._clock else [])]:
            actor.send(signal.SIGKILL)

    def _last_words(self) -> str:
        return self.logs()[-3000:]

    # --- what happens ---

    def _befall(self, kind: str) -> None:
        self._audit()
        active = [worker for worker in self._workers if worker.is_alive and not worker.is_stopped]
        fault = Fault(kind, time.time(), time.time(), 1)
        is_early = (
            (kind in {"kill", "stop"} and not active)  # between two lives
            or (kind == "relay" and self.relay.sink is None)
            or (kind == "database" and self._locker is not None)
        )
        if is_early:
            self._after(0.3, lambda: self._befall(kind))
            return
        if kind == "kill":
            self._rng.choice(active).send(signal.SIGKILL)
        elif kind == "stop":
            self._freeze(self._rng.choice(active), fault)
        elif kind == "relay":
            fault.hit = len(self._workers)
            self.relay.kill()
            self._after(self._rng.uniform(0.1, 1.5), lambda: self._restart_relay(fault))
        elif kind == "clock":
            fault.hit = 0
            if self._clock is not None:
                self._clock.send(signal.SIGKILL)
        else:
            fault.hit = len(self._workers)
            self._disturb_database(fault)
        self.faults.append(fault)

    def _audit(self) -> None:
        try:
            proof = editions.audit(self.store, self.issue_id)
        except StoreUnavailable:
            return  # it is just being restarted
        assert proof.is_balanced, f"{proof.troubles} (seed {self.plan.seed})"
        self.audits += 1

    def _freeze(self, worker: Actor, fault: Fault) -> None:
        """Stop a worker for longer than its lease, so that others take over, and let it wake up."""
        worker.send(signal.SIGSTOP)

        def wake() -> None:
            worker.send(signal.SIGCONT)
            fault.end = time.time()

        self._after(self.plan.lease_s * self._rng.uniform(1.25, 1.75), wake)

    def _restart_relay(self, fault: Fault) -> None:
        self.relay.start()
        fault.end = time.time()

    def _disturb_database(self, fault: Fault) -> None:
        if self.cluster is not None:
            fault.kind = "restart"
            self.cluster.restart()
            fault.end = time.time()
        elif self._rng.random() < 0.5:
            fault.kind = "liar"
            self._kill_a_writer()
            fault.end = time.time()
        else:
            fault.kind = "lock"
            self._locker = sqlite3.connect(str(self.store.sqlite_path), isolation_level=None, timeout=30)
            self._locker.execute("BEGIN IMMEDIATE")

            def release() -> None:
                self._release_lock()
                fault.end = time.time()

            self._after(self.plan.lease_s * self._rng.uniform(1.1, 1.5), release)

    def _release_lock(self) -> None:
        if self._locker is not None:
            self._locker.close()
            self._locker = None

    def _kill_a_writer(self) -> None:
        command = [sys.executable, "-c", _LIAR, str(self.store.sqlite_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"lied\n"
            writer.kill()

    @property
    def by_kind(self) -> Counter[str]:
        """How often each kind of fault happened."""
        return Counter(fault.kind for fault in self.faults)
