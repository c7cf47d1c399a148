"""Several relays at once, with real databases and real SMTP servers: limits, fail-over, quotas."""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from digest.app import editions
from digest.app.container import Container
from digest.app.line import Watch
from digest.model.delivery import DeliveryState
from digest.model.errors import RelayUnreachable
from digest.model.issue import IssueState
from digest.store.engine import Store
from digest.store.tables import delivery, quota
from support.paper import a_paper, run_paper
from support.sending import make_container
from support.sink import Sink, start_sink


@contextlib.contextmanager
def sinks(folder: Path, **modes: dict[str, Any]) -> Iterator[dict[str, Sink]]:
    """Sinks by the name of their relay."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(start_sink(folder / name, **mode)) for name, mode in modes.items()}


def with_relays(paper: Container, running: dict[str, Sink], **limits: dict[str, Any]) -> Container:
    """The same paper with these sinks as its relays, and their limits."""
    relays = {name: {"host": "127.0.0.1", "port": sink.port, **limits.get(name, {})} for name, sink in running.items()}
    delivery_settings = paper.settings.delivery.model_dump()
    return make_container(paper.store, relays=relays, delivery=delivery_settings)


def busiest_second(sink: Sink) -> int:
    """The most mails the sink took within any one second."""
    times = sorted(event["at"] for event in sink.accepted())
    return max((bisect_left(times, since + 1.0) - at for at, since in enumerate(times)), default=0)


def everybody(running: dict[str, Sink]) -> Counter[str]:
    return sum((sink.recipients() for sink in running.values()), Counter())


def by_relay(store: Store, issue_id: int = 1) -> dict[str, int]:
    """How many of an issue's deliveries are on record as sent, by relay."""
    of_issue = [delivery.c.state == "sent", delivery.c.issue_id == issue_id]
    with store.read() as tx:
        rows = tx.connection.execute(select(delivery.c.relay, func.count()).where(*of_issue).group_by(delivery.c.relay))
        return {row[0]: row[1] for row in rows}


def readers(count: int) -> Counter[str]:
    return Counter({f"reader{n}@example.com": 1 for n in range(1, count + 1)})


RATES = {"default": 200, "second": 100, "third": 50}
LOST_AFTER, READERS = 150, 1400


@pytest.mark.parametrize(
    ("database_url", "how"),
    [("sqlite", "drop"), pytest.param("postgres", "busy", marks=pytest.mark.postgres)],
    indirect=["database_url"],
)
def test_three_relays_keep_their_limits_while_one_fails_and_everybody_is_mailed_once(
    store: Store, tmp_path: Path, how: str
):
    """The second is gone after 150 mails. How long it takes belongs to a benchmark; the limits hold every time."""
    paper = a_paper(store, tmp_path, readers=READERS)
    with sinks(tmp_path, default={}, second={"gone_after": [LOST_AFTER, how]}, third={}) as running:
        container = with_relays(paper, running, **{name: {"rate": rate} for name, rate in RATES.items()})
        result = run_paper(container)

    busiest = {name: busiest_second(sink) for name, sink in running.items()}
    sent_by = {name: len(sink.accepted()) for name, sink in running.items()}
    assert result.issue.state is IssueState.SENT
    assert editions.audit(store, result.issue.id).is_balanced
    assert everybody(running) == readers(READERS)
    assert all(busiest[name] <= rate for name, rate in RATES.items()), busiest
    assert by_relay(store, result.issue.id) == sent_by
    assert LOST_AFTER <= sent_by["second"] <= LOST_AFTER + 8


def test_a_relay_that_is_down_costs_nobody_anything_while_another_is_up(store: Store, tmp_path: Path):
    with sinks(tmp_path, backup={}) as running:
        paper = a_paper(store, tmp_path, readers=40)
        container = make_container(
            store,
            relays={
                "default": {"host": "127.0.0.1", "port": 9},
                "backup": {"host": "127.0.0.1", "port": running["backup"].port, "priority": 20},
            },
            delivery=paper.settings.delivery.model_dump(),
        )
        result = run_paper(container)

    assert result.issue.state is IssueState.SENT
    assert by_relay(store) == {"backup": 40}
    assert everybody(running) == readers(40)


def test_a_doubt_is_never_sent_through_another_relay_at_once(store: Store, tmp_path: Path):
    with sinks(tmp_path, default={"drop_after_dot": {"reader2@example.com": 1}}, backup={}) as running:
        paper = a_paper(store, tmp_path, readers=10, delivery={"on_doubt": "hold"})
        result = run_paper(with_relays(paper, running, backup={"priority": 20}))

    assert result.tally.counts[DeliveryState.UNKNOWN] == 1
    assert running["backup"].recipients()["reader2@example.com"] == 0
    assert everybody(running) == readers(10)


def test_a_refused_reader_is_not_offered_to_another_relay(store: Store, tmp_path: Path):
    dead = {"dead": ["reader2@example.com"]}
    with sinks(tmp_path, default=dead, backup={}) as running:
        result = run_paper(with_relays(a_paper(store, tmp_path), running, backup={"priority": 20}))

    assert result.tally.failures == {"rejected 550 5.1.1": 1}
    assert running["backup"].accepted() == []


def test_when_no_relay_is_left_the_run_says_so_and_harms_nobody(store: Store, tmp_path: Path):
    paper = a_paper(store, tmp_path)
    relays = {name: {"host": "127.0.0.1", "port": 9} for name in ("default", "backup")}
    container = make_container(store, relays=relays, delivery=paper.settings.delivery.model_dump())
    with pytest.raises(RelayUnreachable, match=r"127\.0\.0\.1:9"):
        run_paper(container)
    with sinks(tmp_path, default={}, backup={}) as running:
        result = run_paper(with_relays(paper, running))

    assert result.issue.state is IssueState.SENT
    assert everybody(running) == readers(3)


def test_a_used_up_day_leaves_the_rest_pending_and_uncharged_until_the_next_day(store: Store, tmp_path: Path):
    told: list[str] = []
    with sinks(tmp_path, default={}) as running:
        paper = a_paper(store, tmp_path, readers=30)
        container = with_relays(paper, running, default={"daily_quota": 12})
        first = run_paper(container, watch=Watch(waiting=told.append))
        again = run_paper(container)
        sent_today = len(running["default"].accepted())
        with store.write() as tx:
            attempts = set(
                tx.connection.execute(select(delivery.c.attempt).where(delivery.c.state == "pending")).scalars()
            )
            tx.connection.execute(update(quota).values(day="2026-01-01"))  # as if it had been yesterday
        second = run_paper(with_relays(paper, running, default={"daily_quota": 18}))

    reason = "relay default has used its daily quota of 12 until 00:00 UTC"
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert (first.issue.state, first.waiting, first.next_try_at) == (IssueState.SENDING, reason, midnight)
    assert told[-1] == reason
    assert again.waiting == reason
    assert first.tally.counts[DeliveryState.PENDING] == 18
    assert (sent_today, attempts) == (12, {0})
    assert second.issue.state is IssueState.SENT
    assert everybody(running) == readers(30)


def test_a_used_up_relay_is_passed_over_for_the_next(store: Store, tmp_path: Path):
    with sinks(tmp_path, default={}, backup={}) as running:
        container = with_relays(
            a_paper(store, tmp_path, readers=30), running, default={"daily_quota": 12}, backup={"priority": 20}
        )
        result = run_paper(container)

    assert result.issue.state is IssueState.SENT
    assert by_relay(store) == {"default": 12, "backup": 18}


def test_what_was_reserved_and_not_used_is_given_back(store: Store, tmp_path: Path):
    with sinks(tmp_path, default={}) as running:
        container = with_relays(a_paper(store, tmp_path), running, default={"daily_quota": 1000, "rate": 500})
        run_paper(container)

    with store.read() as tx:
        assert tx.connection.execute(select(quota.c.used)).scalar_one() == 3


def test_the_wait_for_a_rate_is_shown(store: Store, tmp_path: Path):
    told: list[str] = []
    with sinks(tmp_path, default={}) as running:
        container = with_relays(a_paper(store, tmp_path, readers=12), running, default={"rate": 10})
        result = run_paper(container, watch=Watch(waiting=told.append))

    assert result.issue.state is IssueState.SENT
    assert "relay default is at its rate" in told
    assert busiest_second(running["default"]) <= 10


def test_one_relay_without_limits_asks_the_database_for_nothing(store: Store, tmp_path: Path):
    with sinks(tmp_path, default={}) as running:
        run_paper(with_relays(a_paper(store, tmp_path), running))

    with store.read() as tx:
        assert tx.connection.execute(select(func.count()).select_from(quota)).scalar_one() == 0
