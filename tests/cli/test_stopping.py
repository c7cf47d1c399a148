"""Being told to stop: at once where it only waits, after the answer where mail is on the wire, and never in silence."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.app import editions
from digest.model.delivery import DeliveryState
from digest.store import standing
from digest.store.engine import Store
from support.sending import sending_issue
from support.sink import start_sink
from support.workers import crew, until

S = DeliveryState
#: A relay that puts everybody off; a run waits up to 20 s for retries by itself.
EVERYBODY_LATER = {"defer": {f"reader{n}@example.com": 1 for n in range(1, 4)}}
RETRY_IN_S = 15
#: Well below the wait that is cut short, and room for a busy machine.
PROMPT_S = 8


@pytest.fixture
def sqlite_store(sqlite_database: str) -> Iterator[Store]:
    opened = Store(sqlite_database)
    yield opened
    opened.close()


def counts(store: Store) -> dict[DeliveryState, int]:
    with store.read() as tx:
        return standing.tally(tx, 1).counts


def events(said: str) -> list[str]:
    return [json.loads(line)["event"] for line in said.splitlines() if line.startswith('{"')]


@pytest.mark.parametrize(
    "command", [["run", "morning", "--at", "2026-11-22T08:00Z"], ["tick"], ["serve", "--port", "0"]]
)
def test_a_long_wait_for_a_retry_ends_at_once_when_it_is_told_to(
    sqlite_store: Store, tmp_path: Path, command: list[str]
):
    sending_issue(sqlite_store, 3)
    settings = {"delivery__retry_first_s": RETRY_IN_S, "delivery__lease_s": 2, "logging__level": "info"}
    with start_sink(tmp_path, **EVERYBODY_LATER) as sink, crew(sqlite_store, tmp_path, sink.port, **settings) as ours:
        process = ours.start(*command)
        until(lambda: "delivery.waiting" in ours.logs(), "it to wait for the retry", seconds=60)
        told_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        took = time.monotonic() - told_at
        said = ours.logs()

    assert took < PROMPT_S, said
    assert code == 0, said
    assert counts(sqlite_store)[S.DEFERRED] == 3, "nothing was tried again or lost"
    assert "delivery.stopped" in events(said)
    assert "Traceback" not in said
    assert "put off by relay default: 451 4.7.1 greylisted" in said, "the wait was explained while it lasted"


def test_a_wait_for_a_slow_rate_ends_at_once(sqlite_store: Store, tmp_path: Path):
    sending_issue(sqlite_store, 5)
    with (
        start_sink(tmp_path) as sink,
        crew(sqlite_store, tmp_path, sink.port, relays__default__rate=0.05, logging__level="info") as ours,
    ):
        process = ours.start("tick")
        until(lambda: "is at its rate" in ours.logs(), "it to wait for the rate", seconds=60)
        told_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        took = time.monotonic() - told_at

    assert took < PROMPT_S
    assert code == 0, ours.logs()
    assert counts(sqlite_store)[S.SENT] == len(sink.accepted()), "every answer that came is recorded"
    assert counts(sqlite_store)[S.SENDING] == counts(sqlite_store)[S.LEASED] == 0


def test_serve_says_what_it_does_and_finishes_what_is_on_the_wire_when_it_is_stopped(
    sqlite_store: Store, tmp_path: Path
):
    sending_issue(sqlite_store, 200)
    with start_sink(tmp_path, delay_s=0.4) as sink, crew(sqlite_store, tmp_path, sink.port) as ours:
        process = ours.start("serve", "--port", "0")
        until(lambda: len(sink.accepted()) >= 8, "mails to arrive")
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        said = ours.logs()
    after = counts(sqlite_store)

    assert code == 0, said
    assert f"runs the clock and delivers through 127.0.0.1:{sink.port}. Ctrl+C stops it." in said
    assert "Digest stops when what is on the wire is answered and recorded." in said
    assert said.rstrip().endswith("Digest has stopped.")
    assert 8 <= len(sink.accepted()) < 200
    assert after[S.SENT] == len(sink.accepted()), "what had been begun was answered and recorded"
    assert after[S.UNKNOWN] == after[S.SENDING] == after[S.LEASED] == 0
    assert {"clock.started", "delivery.started", "delivery.stopped", "clock.stopped"} <= set(events(said))
    assert not list((tmp_path / "journal").iterdir())
    assert editions.audit(sqlite_store, 1).is_balanced


def test_told_twice_it_stops_at_once_and_nothing_is_lost(sqlite_store: Store, tmp_path: Path):
    sending_issue(sqlite_store, 30)
    hanging = {"hang_at_dot": {f"reader{n}@example.com": 1 for n in range(1, 31)}}
    hold = {"delivery__on_doubt": "hold"}
    with start_sink(tmp_path, **hanging) as sink, crew(sqlite_store, tmp_path, sink.port, **hold) as ours:
        process = ours.start("serve", "--port", "0")
        until(lambda: len(sink.accepted()) >= 1, "a mail to hang at its dot")
        process.send_signal(signal.SIGTERM)
        until(lambda: "Digest stops when" in ours.logs(), "the word that it stops")
        time.sleep(0.5)
        assert process.poll() is None, "it waits for the answer"
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)
    after = counts(sqlite_store)

    assert code == -signal.SIGTERM
    assert after[S.SENT] == 0
    assert sum(after.values()) == 30


def test_serve_with_pages_only_says_so(sqlite_store: Store, tmp_path: Path):
    with crew(sqlite_store, tmp_path, 9) as ours:
        process = ours.start("serve", "--port", "0", "--no-clock")
        until(lambda: "Ctrl+C" in ours.logs(), "it to come up")
        process.send_signal(signal.SIGINT)
        code = process.wait(30)

    assert code == 0
    assert "and shows pages only. Ctrl+C stops it." in ours.logs()


def test_metrics_have_a_port_of_their_own_where_one_is_asked_for(sqlite_store: Store, tmp_path: Path):
    import re  # noqa: PLC0415 - only here
    import urllib.request  # noqa: PLC0415 - only here

    with crew(sqlite_store, tmp_path, 9) as ours:
        process = ours.start("serve", "--port", "0", "--metrics-port", "0")
        until(lambda: "Ctrl+C" in ours.logs(), "it to come up")
        pages, numbers = re.findall(r"http://127\.0\.0\.1:\d+", ours.logs())
        with urllib.request.urlopen(f"{numbers}/metrics", timeout=10) as answer:  # noqa: S310 - our own server
            text = answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{pages}/metrics", timeout=10)  # noqa: S310 - our own server
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)

    assert code == 0
    assert "Metrics are at" in ours.logs()
    assert 'digest_clock_turns_total{end="done"} 1.0' in text
    started = float(re.findall(r"^digest_clock_last_turn_timestamp_seconds (\S+)$", text, re.MULTILINE)[0])
    assert abs(datetime.now(UTC) - datetime.fromtimestamp(started, UTC)) < timedelta(minutes=2)
