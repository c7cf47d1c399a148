"""SIGKILL at random moments: every address is delivered once or is listed as in doubt, no third case.

`make crash` runs it with the figures printed. The sink writes down what it accepts before it answers, so it knows
of every mail that arrived, also of those whose answer the dead worker never read.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from digest.app import editions
from digest.model.delivery import DeliveryState, OnDoubt
from digest.store import deliveries
from digest.store.engine import Store
from support.sending import sending_issue
from support.sink import start_sink

READERS = 4000
KILLS = 24
WORKERS = 2
IN_FLIGHT = 8  # twice the relay's four connections
SEED = int(os.environ.get("DIGEST_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


class Zygote:
    """Starts workers and kills them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.alive: list[int] = []

    def start(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("start\n")
        self.process.stdin.flush()
        self.alive.append(int(self.process.stdout.readline()))

    def kill(self, pid: int) -> None:
        self.alive.remove(pid)
        os.kill(pid, signal.SIGKILL)

    def bury(self) -> None:
        """Forget workers that ended by themselves."""
        self.alive = [pid for pid in self.alive if Path(f"/proc/{pid}").exists()]


@contextmanager
def zygote(database: str, port: int, journal: Path) -> Iterator[Zygote]:
    tests = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("zygote.py")), database, str(port), str(journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tests)},
    )
    nursery = Zygote(process)
    try:
        yield nursery
    finally:
        for pid in nursery.alive:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
        process.stdin and process.stdin.close()
        process.stdout and process.stdout.close()
        process.wait(10)


@pytest.mark.crash
@pytest.mark.timeout(300)
def test_killed_workers_lose_nobody_and_double_only_what_is_listed_in_doubt(store: Store, tmp_path: Path):
    rng = random.Random(SEED)  # noqa: S311 - a seeded storm can be repeated
    issue = sending_issue(store, READERS, chunk_size=500)
    database = store.url.render_as_string(hide_password=False)
    with start_sink(tmp_path, delay_s=0.02) as sink, zygote(database, sink.port, tmp_path / "journal") as nursery:
        kills = _storm(nursery, rng, store, issue.id)
        _finish(nursery, store, issue.id)
        arrived = sink.recipients()
    with store.read() as tx:
        doubtful = {address for _, address in deliveries.in_doubt(tx, issue.id)}
        tally = deliveries.tally(tx, issue.id)
    everybody = {f"reader{n}@example.com" for n in range(1, READERS + 1)}
    arrived_in_doubt = sum(address in doubtful for address in arrived)
    print(  # noqa: T201 - the figures of `make crash`
        f"\n{store.engine.dialect.name}: seed {SEED}, {kills} kills of {WORKERS} workers, {READERS} readers: "
        f"{tally.counts[DeliveryState.SENT]} sent, {len(doubtful)} in doubt of which {arrived_in_doubt} arrived"
    )

    assert kills >= 20
    assert set(arrived) <= everybody
    for address in everybody - doubtful:
        assert arrived[address] == 1, f"{address} arrived {arrived[address]} times and is not in doubt (seed {SEED})"
    assert all(arrived[address] <= 1 for address in doubtful), f"a doubt was sent twice under hold (seed {SEED})"
    assert len(doubtful) <= kills * IN_FLIGHT, "a kill puts in doubt only what was on the wire, says the journal"
    assert tally.counts[DeliveryState.SENT] + len(doubtful) == READERS
    assert editions.audit(store, issue.id).is_balanced


def _storm(nursery: Zygote, rng: random.Random, store: Store, issue_id: int) -> int:
    """Kill a random worker at random moments while there is work, and start another in its place."""
    kills = 0
    for _ in range(WORKERS):
        nursery.start()
    while kills < KILLS:
        time.sleep(rng.uniform(0.05, 1.2))
        nursery.bury()
        if nursery.alive:
            nursery.kill(rng.choice(nursery.alive))
            kills += 1
        with store.read() as tx:
            if not deliveries.remains(tx, issue_id, on_doubt=OnDoubt.HOLD):
                break
        while len(nursery.alive) < WORKERS:
            nursery.start()
    return kills


def _finish(nursery: Zygote, store: Store, issue_id: int) -> None:
    """Let workers run undisturbed until every delivery is settled, then close the issue."""
    end = time.monotonic() + 120
    while True:
        with store.read() as tx:
            if not deliveries.remains(tx, issue_id, on_doubt=OnDoubt.HOLD):
                return
        assert time.monotonic() < end, "the issue does not come to an end"
        nursery.bury()
        if not nursery.alive:
            nursery.start()
        time.sleep(0.1)
