"""Any number of clocks and workers: whatever is killed and started again, one issue a period and one mail a reader."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from datetime import time as wall_time
from pathlib import Path

import pytest

from digest.app import editions
from digest.collect.check import add_source
from digest.model.issue import Issue, IssueState
from digest.model.publication import Cadence, CadenceRule
from digest.store import issues, publications, standing
from digest.store.engine import Store
from support.factories import make_publication
from support.paper import write_article
from support.sending import add_readers, make_container
from support.sink import start_sink
from support.workers import Crew, crew, until

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(400)]

PAPERS, READERS = ("first", "second", "third"), 400
CLOCK, WORKER = ("serve", "--no-deliver", "--port", "0"), ("worker",)
KILLS = 8
SEED = int(os.environ.get("DIGEST_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


def due_papers(store: Store, folder: Path) -> None:
    """Publications that were due a minute ago, each with readers and news of its own."""
    container = make_container(store)
    now = datetime.now(UTC)
    due = now - timedelta(minutes=1)
    for number, slug in enumerate(PAPERS):
        rhythm = Cadence("daily", CadenceRule.DAILY, wall_time(due.hour, due.minute))
        with store.write() as tx:
            paper = make_publication(tx, slug, timezone="UTC", cadence=rhythm)
            publications.change(tx, paper.id, {"created_at": now - timedelta(days=2)})
            add_readers(tx, paper, READERS, first=1 + number * READERS)
        for article in range(3):
            write_article(folder / slug, f"{slug}-{article}")
        asyncio.run(add_source(store, paper.id, str(folder / slug), settings=container.settings, now=now))


def all_issues(store: Store) -> list[Issue]:
    with store.read() as tx:
        return issues.list_recent(tx)


def storm(ours: Crew, rng: random.Random) -> None:
    """Kill a random process every second or two and start another of its kind."""
    alive: list[tuple[subprocess.Popen[bytes], tuple[str, ...]]] = [
        (ours.start(*kind), kind) for kind in (CLOCK, CLOCK, WORKER, WORKER, WORKER)
    ]
    until(lambda: "digest" in ours.logs().lower(), "the first of them to be up")
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.5, 2.5))
        victim, kind = alive.pop(rng.randrange(len(alive)))
        victim.kill()
        victim.wait(10)
        alive.append((ours.start(*kind), kind))


def test_clocks_and_workers_that_die_at_random_make_one_issue_a_period(shared_store: Store, tmp_path: Path):
    due_papers(shared_store, tmp_path)
    settings = {"delivery__lease_s": 2, "delivery__on_doubt": "hold", "collect__allow_private_networks": "true"}
    rng = random.Random(SEED)  # noqa: S311 - a seeded storm can be repeated
    with start_sink(tmp_path, delay_s=0.1) as sink, crew(shared_store, tmp_path, sink.port, **settings) as ours:
        storm(ours, rng)
        until(
            lambda: [issue.state for issue in all_issues(shared_store)] == [IssueState.SENT] * len(PAPERS),
            f"every issue to be closed (seed {SEED})",
        )
        running = [process for process in ours.processes if process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        ends = [process.wait(60) for process in running]
        told = ours.logs()
    made = all_issues(shared_store)
    with shared_store.read() as tx:
        doubtful = {address for issue in made for _, address in standing.in_doubt(tx, issue.id)}
    arrived = sink.recipients()
    everybody = {f"reader{number}@example.com" for number in range(1, len(PAPERS) * READERS + 1)}

    print(f"\nseed {SEED}: {KILLS} kills, {len(made)} issues, {len(doubtful)} in doubt")  # noqa: T201
    assert Counter(issue.publication_slug for issue in made) == Counter(PAPERS)
    assert set(arrived) <= everybody
    assert all(arrived[address] == 1 for address in everybody - doubtful), f"seed {SEED}"
    assert all(arrived[address] <= 1 for address in doubtful), f"seed {SEED}"
    assert all(editions.audit(shared_store, issue.id).is_balanced for issue in made)
    assert set(ends) <= {0, -signal.SIGTERM}, "an orderly end, unless it was still starting"
    assert "Traceback" not in told
