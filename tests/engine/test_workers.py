"""Several `digest worker` processes and a clock that only hands over, on one PostgreSQL."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from digest.app import editions
from digest.app.clock import due_work, system_clock, work_on
from digest.app.container import Container
from digest.app.engines import shared_engine
from digest.app.line import Watch
from digest.model.delivery import DeliveryState, Tally
from digest.model.issue import Issue, IssueState
from digest.store import issues, standing
from digest.store.engine import Store
from support.sending import make_container, sending_issue
from support.sink import Sink, start_sink
from support.workers import crew, until

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]

READERS = 400
EVERYBODY = Counter({f"reader{n}@example.com": 1 for n in range(1, READERS + 1)})


def turn(container: Container) -> None:
    """One turn of a clock that leaves delivering to workers."""
    engine = shared_engine(container.store)

    async def go() -> None:
        waiting = due_work(container, system_clock, Watch(), engine=engine)
        await asyncio.gather(*(work_on(line, issue, stop=asyncio.Event()) for line, issue in waiting))

    asyncio.run(go())


def state_of(store: Store, issue: Issue) -> IssueState:
    with store.read() as tx:
        return issues.get(tx, issue.id).state


def tally_of(store: Store, issue: Issue) -> Tally:
    with store.read() as tx:
        return standing.tally(tx, issue.id)


def until_closed(container: Container, issue: Issue) -> None:
    """Turn the clock until the issue is closed."""

    def closed() -> bool:
        turn(container)
        return not state_of(container.store, issue).is_open

    until(closed, "the issue to be closed")


def until_under_way(sink: Sink, mails: int = 40) -> None:
    until(lambda: len(sink.accepted()) >= mails, f"{mails} mails to arrive")


def test_two_workers_and_a_clock_reach_every_reader_once(shared_store: Store, tmp_path: Path):
    issue = sending_issue(shared_store, READERS, chunk_size=50)
    container = make_container(shared_store)
    with start_sink(tmp_path, delay_s=0.02) as sink, crew(shared_store, tmp_path, sink.port) as ours:
        for _ in range(2):
            ours.start()
        turn(container)
        until_closed(container, issue)
        for process in ours.processes:
            process.send_signal(signal.SIGTERM)
        ends = [process.wait(20) for process in ours.processes]
        told = ours.logs()

    assert sink.recipients() == EVERYBODY
    assert state_of(shared_store, issue) is IssueState.SENT
    assert editions.audit(shared_store, issue.id).is_balanced
    assert len(sink.events("connected")) >= 2
    assert ends == [0, 0]
    assert "Traceback" not in told
    assert not list((tmp_path / "journal").iterdir()), "an orderly end leaves no journal"


def test_what_a_killed_worker_held_is_swept_and_arrives(shared_store: Store, tmp_path: Path):
    issue = sending_issue(shared_store, READERS, chunk_size=50)
    container = make_container(shared_store, delivery={"lease_s": 2, "on_doubt": "hold"})
    settings = {"delivery__lease_s": 2, "delivery__on_doubt": "hold"}
    with start_sink(tmp_path, delay_s=0.02) as sink, crew(shared_store, tmp_path, sink.port, **settings) as ours:
        victim, _other = ours.start(), ours.start()
        until_under_way(sink)
        victim.kill()
        until_closed(container, issue)
        told = ours.logs()
    with shared_store.read() as tx:
        doubtful = {address for _, address in standing.in_doubt(tx, issue.id)}
    counts = tally_of(shared_store, issue).counts

    assert counts[DeliveryState.SENT] + len(doubtful) == READERS
    assert all(sink.recipients()[address] == 1 for address in EVERYBODY if address not in doubtful)
    assert all(sink.recipients()[address] <= 1 for address in doubtful)
    assert len(doubtful) <= 8, f"the journal keeps doubts to what was on the wire\n{told}"
    assert editions.audit(shared_store, issue.id).is_balanced


def test_a_worker_frozen_for_longer_than_its_lease_doubles_nothing_when_it_wakes_up(
    shared_store: Store, tmp_path: Path
):
    issue = sending_issue(shared_store, READERS, chunk_size=50)
    container = make_container(shared_store, delivery={"lease_s": 2, "on_doubt": "hold"})
    settings = {"delivery__lease_s": 2, "delivery__on_doubt": "hold"}
    with start_sink(tmp_path, delay_s=0.02) as sink, crew(shared_store, tmp_path, sink.port, **settings) as ours:
        frozen = ours.start()
        until_under_way(sink)
        frozen.send_signal(signal.SIGSTOP)
        awake = ours.start()
        time.sleep(2.5)
        until_closed(container, issue)
        before = tally_of(shared_store, issue).counts
        frozen.send_signal(signal.SIGCONT)
        time.sleep(2)
        frozen.send_signal(signal.SIGTERM)
        awake.send_signal(signal.SIGTERM)
        ends = [frozen.wait(20), awake.wait(20)]
    after = tally_of(shared_store, issue).counts
    arrived = sink.recipients()

    assert set(arrived) <= set(EVERYBODY)
    assert max(arrived.values()) == 1, "hold: not even a doubt is sent twice"
    assert before[DeliveryState.UNKNOWN] > 0, "it was frozen with mails on the wire"
    assert before[DeliveryState.SENT] + before[DeliveryState.UNKNOWN] == READERS
    # Its late replies were definite and settle doubts; beyond that it writes nothing.
    assert after[DeliveryState.SENT] + after[DeliveryState.UNKNOWN] == READERS
    assert editions.audit(shared_store, issue.id).is_balanced
    assert ends == [0, 0]


def test_pausing_stops_every_worker_and_resuming_goes_on(shared_store: Store, tmp_path: Path):
    issue = sending_issue(shared_store, READERS, chunk_size=100)
    container = make_container(shared_store)
    settings = {"delivery__lease_s": 2}
    with start_sink(tmp_path, delay_s=0.1) as sink, crew(shared_store, tmp_path, sink.port, **settings) as ours:
        for _ in range(2):
            ours.start("worker", "--concurrency", "1")
        until_under_way(sink)
        editions.move(shared_store, issue.id, expected=[IssueState.SENDING], to=IssueState.PAUSED)
        held = tally_of(shared_store, issue).counts

        def at_rest() -> bool:
            counts = tally_of(shared_store, issue).counts
            return not counts[DeliveryState.SENDING] and not counts[DeliveryState.LEASED]

        until(at_rest, "the workers to give back what they hold")
        stopped_at = len(sink.accepted())
        time.sleep(1)
        still = len(sink.accepted())
        editions.move(shared_store, issue.id, expected=[IssueState.PAUSED], to=IssueState.SENDING)
        until_closed(container, issue)

    assert still == stopped_at
    assert stopped_at <= held[DeliveryState.SENT] + held[DeliveryState.SENDING] < READERS, "only marked ones go out"
    assert sink.recipients() == EVERYBODY


def test_cancelling_stops_every_worker_and_the_books_balance(shared_store: Store, tmp_path: Path):
    issue = sending_issue(shared_store, READERS, chunk_size=100)
    container = make_container(shared_store)
    with start_sink(tmp_path, delay_s=0.1) as sink, crew(shared_store, tmp_path, sink.port) as ours:
        for _ in range(2):
            ours.start("worker", "--concurrency", "1")
        until_under_way(sink)
        editions.cancel(shared_store, issue.id)

        def at_rest() -> bool:
            counts = tally_of(shared_store, issue).counts
            return not any(counts[state] for state in (DeliveryState.SENDING, DeliveryState.LEASED))

        until(at_rest, "the workers to finish what is on the wire")
    counts = tally_of(shared_store, issue).counts

    assert counts[DeliveryState.SKIPPED] > 0
    assert counts[DeliveryState.SENT] + counts[DeliveryState.SKIPPED] == READERS
    assert sum(sink.recipients().values()) == counts[DeliveryState.SENT]
    assert shared_engine(container.store).health().waiting == 0
    assert editions.audit(shared_store, issue.id).is_balanced


def test_a_worker_outlives_a_relay_that_is_down_and_a_database_that_hangs_up(shared_store: Store, tmp_path: Path):
    issue = sending_issue(shared_store, 60, chunk_size=20)
    with start_sink(tmp_path) as sink:
        port = sink.port
    settings = {"delivery__lease_s": 2}
    with crew(shared_store, tmp_path, port, **settings) as ours:
        ours.start()
        until(lambda: "worker.held_up" in ours.logs(), "the worker to notice that no relay is there")
        with shared_store.write() as tx:
            tx.connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with start_sink(tmp_path, port=port) as sink:
            until(lambda: tally_of(shared_store, issue).counts[DeliveryState.SENT] == 60, "everybody to be on record")

    assert set(sink.recipients().values()) == {1}
    assert len(sink.accepted()) == 60


def test_serve_without_delivering_makes_the_issue_ready_and_closes_it(shared_store: Store, tmp_path: Path):
    issue = sending_issue(shared_store, 30, chunk_size=10)
    with start_sink(tmp_path) as sink, crew(shared_store, tmp_path, sink.port, delivery__lease_s=2) as ours:
        ours.start("serve", "--no-deliver", "--port", "0")
        engine = shared_engine(shared_store)
        until(lambda: engine.health().waiting == 3, "the clock to hand three chunks over")
        nothing_yet = len(sink.accepted())
        ours.start()
        until(lambda: state_of(shared_store, issue) is IssueState.SENT, "the clock to close the issue")

    assert nothing_yet == 0
    assert sum(sink.recipients().values()) == 30
