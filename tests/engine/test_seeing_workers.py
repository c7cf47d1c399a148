"""What a `digest worker` lets be seen of itself: on start, on its port for metrics, in its log, on stopping."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from pathlib import Path

import pytest

from digest.app.engines import shared_engine
from digest.app.work import hand_over
from digest.model.delivery import DeliveryState
from digest.store import standing
from digest.store.engine import Store
from support.sending import make_container, sending_issue
from support.sink import start_sink
from support.workers import crew, until

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]

READERS = 120


def test_a_worker_shows_what_it_did_and_finishes_what_is_on_the_wire_when_it_is_stopped(
    shared_store: Store, tmp_path: Path
):
    issue = sending_issue(shared_store, READERS, chunk_size=20)
    container = make_container(shared_store)
    hand_over(container, shared_engine(shared_store), issue)
    with start_sink(tmp_path, delay_s=0.2) as sink, crew(shared_store, tmp_path, sink.port) as ours:
        process = ours.start("worker", "--metrics-port", "0")
        until(lambda: "Ctrl+C" in ours.logs(), "the worker to come up")
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+", ours.logs())
        until(lambda: len(sink.accepted()) >= 30, "mails to arrive")
        # What it waits for at that moment is answered, so the page is read while mail is on the wire.
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:  # noqa: S310 - our own server
            page = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        said = ours.logs()
    with shared_store.read() as tx:
        counts = standing.tally(tx, issue.id).counts
    events = [json.loads(line)["event"] for line in said.splitlines() if line.startswith('{"')]

    assert code == 0, said
    assert "Digest works on 2 chunks at a time; 6 waiting, 0 other workers." in said
    assert "Digest stops when what is on the wire is answered and recorded." in said
    assert said.rstrip().endswith("Digest has stopped.")
    assert {"worker.started", "worker.stopped"} <= set(events)
    assert 30 <= len(sink.accepted()) < READERS
    assert counts[DeliveryState.SENT] == len(sink.accepted())
    assert counts[DeliveryState.UNKNOWN] == counts[DeliveryState.SENDING] == counts[DeliveryState.LEASED] == 0
    assert "digest_workers 1.0" in page
    assert re.search(r'^digest_relay_connections\{relay="default"\} [1-4]\.0$', page, re.MULTILINE), page
    on_the_wire = r'^digest_deliveries\{cadence="daily",publication="morning",state="sending"\} \d+'
    assert re.search(on_the_wire, page, re.MULTILINE)


def test_the_trouble_of_a_worker_is_counted_by_its_code(shared_store: Store, tmp_path: Path):
    issue = sending_issue(shared_store, 10)
    hand_over(make_container(shared_store), shared_engine(shared_store), issue)
    with crew(shared_store, tmp_path, 9, delivery__lease_s=2) as ours:
        process = ours.start("worker", "--metrics-port", "0")
        until(lambda: "worker.held_up" in ours.logs(), "the worker to notice that no relay is there")
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+", ours.logs())
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:  # noqa: S310 - our own server
            page = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)

    assert code == 0
    found = re.findall(r'^digest_troubles_total\{code="relay-unreachable"\} (\S+)$', page, re.MULTILINE)
    assert float(found[0]) >= 1
