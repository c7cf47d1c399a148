"""A delivery in doubt waits as long as the settings say, however the doubt came about, and goes out once more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.app import editions
from digest.app.run import deliver
from digest.app.work import move_on, settle_own
from digest.deliver.journal import Journal
from digest.model.delivery import DeliveryState
from digest.store import deliveries, standing
from digest.store.engine import Store
from digest.store.tables import delivery
from support.sending import line_of, make_container, sending_issue
from support.sink import start_sink

S = DeliveryState
PAUSE = timedelta(seconds=90)


@pytest.mark.parametrize("mode", ["drop_after_dot", "hang_at_dot"])
def test_a_doubt_is_sent_once_more_after_the_pause_and_is_the_very_same_mail(store: Store, tmp_path: Path, mode: str):
    issue = sending_issue(store, 3)
    with start_sink(tmp_path, **{mode: {"reader2@example.com": 1}}) as sink:
        container = make_container(
            store,
            relays={"default": {"host": "127.0.0.1", "port": sink.port, "timeout_s": 1}},
            delivery={"on_doubt": "resend", "doubt_pause_s": 1},
        )
        asyncio.run(deliver(line_of(container), issue, stop=asyncio.Event()))
        twice = [event for event in sink.accepted() if event["to"] == "reader2@example.com"]
        arrived = sink.recipients()

    assert arrived == Counter({"reader1@example.com": 1, "reader2@example.com": 2, "reader3@example.com": 1})
    assert len({event["sha256"] for event in twice}) == 1
    assert twice[1]["at"] - twice[0]["at"] >= 1
    assert editions.audit(store, issue.id).tally.counts[S.SENT] == 3


def swept(store: Store, issue_id: int, _folder: Path) -> None:
    """Its lease ran out."""
    container = make_container(store, delivery={"doubt_pause_s": int(PAUSE.total_seconds())})
    with store.write() as tx:
        move_on(tx, container, issue_id, now=tx.now())


def read_from_a_journal(store: Store, issue_id: int, folder: Path) -> None:
    """Its worker was killed on this machine."""
    journal = Journal(folder)
    journal.begin("a", issue_id)
    journal.sending("a", 1)
    journal.__exit__()
    container = make_container(store, delivery={"doubt_pause_s": int(PAUSE.total_seconds()), "journal": str(folder)})
    settle_own(container)


@pytest.mark.parametrize("found", [swept, read_from_a_journal])
def test_what_a_dead_worker_had_on_the_wire_waits_for_the_same_pause(
    store: Store, tmp_path: Path, found: Callable[[Store, int, Path], None]
):
    issue = sending_issue(store, 1)
    with store.write() as tx:
        before = tx.now()
        ours = {"lease": "a", "lease_for": timedelta(microseconds=1)}
        deliveries.claim(tx, issue.id, chunk=0, limit=9, now=before, **ours)
        deliveries.mark(tx, issue.id, subscriber_ids=[1], now=before, lease="a")
    found(store, issue.id, tmp_path / "journal")
    with store.write() as tx:
        after = tx.now()
        next_at: datetime = tx.connection.execute(select(delivery.c.next_attempt_at)).scalar_one()

    assert standing_of(store, issue.id) == 1
    assert before + PAUSE <= next_at <= after + PAUSE


def standing_of(store: Store, issue_id: int) -> int:
    with store.read() as tx:
        return len(standing.in_doubt(tx, issue_id))


def test_a_run_does_not_wait_for_a_doubt_that_nobody_will_resend(store: Store, tmp_path: Path):
    issue = sending_issue(store, 2)
    with start_sink(tmp_path, drop_after_dot={"reader2@example.com": 1}) as sink:
        container = make_container(
            store,
            relays={"default": {"host": "127.0.0.1", "port": sink.port}},
            delivery={"on_doubt": "hold", "doubt_pause_s": 1},
        )

        async def twice() -> None:
            async with asyncio.timeout(20):
                for _ in range(2):
                    await deliver(line_of(container), issue, stop=asyncio.Event())
                    await asyncio.sleep(1.1)  # the pause is over: it will not be resent all the same

        asyncio.run(twice())

    assert standing_of(store, issue.id) == 1
    assert sum(sink.recipients().values()) == 2
