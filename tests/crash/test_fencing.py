"""A worker frozen for longer than its lease, whose deliveries others took over: what it does when it wakes up."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select

from digest.app import engines
from digest.app import line as steps
from digest.model.delivery import DeliveryState
from digest.store import issues
from digest.store.engine import Store
from digest.store.tables import delivery
from support.sending import line_of, make_container, sending_issue
from support.sink import Sink, start_sink
from support.workers import crew, until
from support.zygote import Actor, Zygote

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

READERS, LEASE_S = 400, 2
RUN = ("run", "morning", "--at", "2026-11-22T07:30:00Z")


@dataclass
class Scene:
    """An issue under way; ``start`` brings one more process to it."""

    store: Store
    issue_id: int
    folder: Path
    sink: Sink
    nursery: Zygote
    environment: dict[str, str]

    def start(self, name: str) -> Actor:
        words = RUN if self.store.is_sqlite else ("worker", "--concurrency", "1")
        log = self.folder / f"{name}.log"
        return self.nursery.start(*words, folder=self.folder, log=log, environment=self.environment)

    def rows(self) -> dict[int, Row[Any]]:
        query = select(delivery).where(delivery.c.issue_id == self.issue_id)
        with self.store.read() as tx:
            return {row.subscriber_id: row for row in tx.connection.execute(query)}

    def closed(self) -> bool:
        """Close the issue if nothing remains to be done: from then on nobody has a reason to send anything."""
        line = line_of(make_container(self.store, delivery={"on_doubt": "hold"}))
        with self.store.read() as tx:
            issue = issues.get(tx, self.issue_id)
        return not steps.close(line, issue).state.is_open


@pytest.fixture
def scene(store: Store, place: Path, nursery: Zygote) -> Iterator[Scene]:
    engines.upgrade(store)
    issue = sending_issue(store, READERS, chunk_size=200)
    settings = {"delivery__lease_s": LEASE_S, "delivery__on_doubt": "hold"}
    with (
        start_sink(place, keep=False, delay_s=0.03) as sink,
        crew(store, place, sink.port, **settings) as ours,
    ):
        yield Scene(store, issue.id, place, sink, nursery, ours.environment)


def test_a_worker_that_lost_its_lease_while_frozen_writes_nothing_to_its_relay_and_no_outcome(scene: Scene):
    frozen = scene.start("frozen")
    until(lambda: len(scene.sink.accepted()) >= 40, "mails to arrive")
    frozen.send(signal.SIGSTOP)
    held = {row.lease for row in scene.rows().values() if row.state in {"leased", "sending"}}
    other = scene.start("other")
    until(scene.closed, "the other to take over and finish")
    before, arrived = scene.rows(), scene.sink.recipients()
    lines = len(scene.sink.events())
    frozen.send(signal.SIGCONT)
    _until_it_noticed(scene, frozen)
    after = scene.rows()
    events = scene.sink.events()[lines:]
    for actor in (frozen, other):
        actor.send(signal.SIGKILL)

    assert held, "it was frozen in the middle of its work"
    assert any(row.state == "unknown" for row in before.values()), "it was frozen with mails on the wire"
    assert scene.sink.recipients() == arrived, "no mail arrives any more"
    assert not [event for event in events if event["event"] == "mail"], "it begins nothing"
    for key, row in after.items():
        if row.state != before[key].state:
            # What it had been told before it froze, and reads now, is definite: it settles its own doubt.
            assert (before[key].state, row.state, row.reply_code) == ("unknown", "sent", 250)
            assert f"reader{key}@example.com" in arrived
        elif row.state == "sent":
            assert row == before[key], "what others sent is as they wrote it"
    assert max(arrived.values()) == 1
    assert {row.state for row in after.values()} <= {DeliveryState.SENT, DeliveryState.UNKNOWN}


def _until_it_noticed(scene: Scene, frozen: Actor) -> None:
    """`digest run` ends, `digest worker` says that it is held up or looks for work again."""
    log = scene.folder / "frozen.log"
    until(lambda: not frozen.is_alive or "worker.held_up" in log.read_text(), "the frozen one to notice", seconds=30)
    time.sleep(0.5)  # what it might still write would be on its way now
