"""What a process counts about itself."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.app.counts import Counts
from digest.app.line import Watch
from digest.deliver.health import RelayHealth
from digest.model.delivery import DeliveryState, FailReason, Outcome
from digest.model.errors import LeaseLost, RelayUnreachable
from digest.store.engine import Store
from support.paper import a_paper, run_paper
from support.sink import start_sink

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def test_a_delivery_is_counted_by_how_its_attempts_ended_and_through_which_relay(store: Store, tmp_path: Path):
    modes = {"dead": ["reader2@example.com"], "defer": {"reader3@example.com": 1}}
    with start_sink(tmp_path, **modes) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=5, delivery={"retry_first_s": 1})
        run_paper(paper)
    counted = paper.counts.counted()

    assert counted.outcomes == {
        ("sent", "", "default"): 4,
        ("failed", "rejected", "default"): 1,
        ("deferred", "", "default"): 1,
    }
    assert counted.chunks == {"done": 2}
    assert counted.swept["retried"] == 1
    assert counted.chunk_s > 0


def test_a_relay_that_is_down_is_counted_as_the_end_of_a_chunk(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path, port=9)
    with pytest.raises(RelayUnreachable):
        run_paper(paper)

    assert paper.counts.counted().chunks == {"relay-unreachable": 1}


def test_the_connections_of_a_relay_are_seen_while_it_is_used_and_not_afterwards(store: Store, tmp_path: Path):
    seen: list[RelayHealth] = []
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=120)
        run_paper(paper, watch=Watch(outcomes=lambda _done: seen.extend(paper.counts.relays())))

    assert {one.relay for one in seen} == {"default"}
    assert 1 <= max(one.connections for one in seen) <= paper.settings.relays["default"].connections
    assert paper.counts.relays() == []


def test_time_spent_waiting_for_a_rate_is_counted(store: Store, tmp_path: Path):
    with start_sink(tmp_path) as sink:
        paper = a_paper(store, tmp_path, port=sink.port, readers=12, relay={"rate": 10})
        run_paper(paper)

    assert 0.1 < paper.counts.counted().waited_s < 30


def test_the_end_of_a_carrier_ends_its_wait():
    counts = Counts()
    with counts.waits(lambda _reason: None) as told:
        told("relay default is at its rate")
    before = counts.counted().waited_s

    assert counts.counted().waited_s == before


def test_an_error_that_ends_a_chunk_is_counted_by_its_code_and_passed_on():
    counts = Counts()
    with pytest.raises(LeaseLost), counts.chunk():
        raise LeaseLost

    assert counts.counted().chunks == {"lease-lost": 1}


def test_threads_that_count_at_once_lose_nothing():
    counts = Counts()
    batch = [Outcome(1, DeliveryState.SENT, NOW, relay="ses")] * 49
    batch.append(Outcome(2, DeliveryState.FAILED, NOW, relay="ses", reason=FailReason.REJECTED))
    threads = [threading.Thread(target=lambda: [counts.record(batch) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts.counted().outcomes == {("sent", "", "ses"): 98_000, ("failed", "rejected", "ses"): 2_000}
