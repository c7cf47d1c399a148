"""An operator's command reaches real workers: what still arrives after it returned is at most what was begun."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from digest.app import controls, editions
from digest.app.engines import shared_engine
from digest.deliver.policy import Policy
from digest.model.delivery import DeliveryState
from digest.model.issue import Issue, IssueState
from digest.store import issues, standing
from digest.store.engine import Store
from support.sending import sending_issue
from support.sink import Sink, start_sink
from support.workers import Crew, crew, until
from support.zygote import Zygote, zygote

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]

READERS, WORKERS = 800, 2
#: Every worker may finish what it has begun; its rows are marked a sub-batch at a time.
AT_MOST = WORKERS * Policy().sub_batch
EVERYBODY = Counter({f"reader{n}@example.com": 1 for n in range(1, READERS + 1)})


@pytest.fixture
def issue(shared_store: Store) -> Issue:
    return sending_issue(shared_store, READERS, chunk_size=200)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with start_sink(tmp_path, keep=False, delay_s=0.05) as started:
        yield started


@pytest.fixture(scope="module")
def nursery() -> Iterator[Zygote]:
    with zygote() as started:
        yield started


@pytest.fixture
def ours(shared_store: Store, issue: Issue, tmp_path: Path, sink: Sink, nursery: Zygote) -> Iterator[Crew]:
    """Two workers in the middle of the issue."""
    with crew(shared_store, tmp_path, sink.port) as started:
        words = ("worker", "--concurrency", "1")
        given = {"folder": tmp_path, "environment": started.environment}
        workers = [nursery.start(*words, log=tmp_path / f"worker-{n}.log", **given) for n in range(WORKERS)]
        until(lambda: at_work(shared_store, issue) == WORKERS, "both workers to be at work")
        until(lambda: len(sink.accepted()) >= 80, "mails to arrive")
        yield started
        for worker in workers:
            worker.send(signal.SIGKILL)


def at_work(store: Store, issue: Issue) -> int:
    """How many leases are at work."""
    with store.read() as tx:
        rows = tx.connection.exec_driver_sql(
            "SELECT count(DISTINCT lease) FROM delivery WHERE issue_id = %s AND state = 'sending'", (issue.id,)
        )
        return int(rows.scalar_one())


@dataclass
class Operator:
    """Somebody at the command line, whose commands start at once."""

    nursery: Zygote
    ours: Crew
    sink: Sink

    def says(self, *command: str, answer: str) -> int:
        """Run ``digest issue COMMAND``; gives how many mails had arrived when it returned."""
        log = self.ours.folder / f"{command[0]}.log"
        given = self.ours.environment
        actor = self.nursery.start("issue", *command, folder=self.ours.folder, log=log, environment=given)
        while actor.is_alive:
            time.sleep(0.005)
        arrived = len(self.sink.accepted())
        assert answer in log.read_text()
        return arrived


@pytest.fixture
def operator(nursery: Zygote, ours: Crew, sink: Sink) -> Operator:
    return Operator(nursery, ours, sink)


def until_at_rest(store: Store, issue: Issue) -> None:
    def is_at_rest() -> bool:
        with store.read() as tx:
            counts = standing.tally(tx, issue.id).counts
        return not counts[DeliveryState.SENDING] and not counts[DeliveryState.LEASED]

    until(is_at_rest, "every worker to come to rest")


def test_after_a_pause_no_worker_sends_more_than_it_had_begun_and_resuming_wakes_all_of_them_up(
    shared_store: Store, issue: Issue, sink: Sink, operator: Operator
):
    at_pause = operator.says("pause", str(issue.id), answer="Paused")
    until_at_rest(shared_store, issue)
    at_rest = len(sink.accepted())
    at_resume = operator.says("resume", str(issue.id), answer="Resumed")
    until(lambda: at_work(shared_store, issue) == WORKERS, "both workers to be at work again", seconds=30)
    until(lambda: len(sink.accepted()) == READERS, "everybody to be reached")
    until_at_rest(shared_store, issue)

    assert at_rest - at_pause <= AT_MOST
    assert at_rest < READERS - AT_MOST, "there was something left to hold back"
    assert at_resume - at_rest <= AT_MOST, "nothing went out before it was resumed"
    assert sink.recipients() == EVERYBODY


def test_after_a_cancel_no_worker_sends_more_than_it_had_begun_and_the_rest_is_skipped(
    shared_store: Store, issue: Issue, sink: Sink, operator: Operator
):
    at_cancel = operator.says("cancel", str(issue.id), "--yes", answer="Cancelled")
    until_at_rest(shared_store, issue)
    arrived = sink.recipients()
    proof = editions.audit(shared_store, issue.id)

    assert sum(arrived.values()) - at_cancel <= AT_MOST
    assert set(arrived.values()) == {1}
    assert proof.is_balanced
    assert proof.tally.counts[DeliveryState.SENT] == len(arrived)
    assert proof.tally.failures == {"cancelled": READERS - len(arrived)}


def test_resuming_asks_for_every_chunk_in_the_same_transaction(shared_store: Store, issue: Issue):
    with shared_store.write() as tx:
        issues.move(tx, issue.id, expected=IssueState.SENDING, to=IssueState.PAUSED, now=tx.now())
    engine = shared_engine(shared_store)
    before = engine.health().waiting
    controls.resume(shared_store, issue.id, expire_after=Policy().expire_after)

    assert (before, engine.health().waiting) == (0, READERS // 200)
