"""A database that goes away puts nothing in doubt: what is on the wire is answered, and the journal keeps answers."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from digest.app import editions, engines
from digest.model.delivery import DeliveryState
from digest.store.engine import Store
from support.postgres import own_cluster
from support.sending import sending_issue
from support.sink import start_sink
from support.workers import crew, until
from support.zygote import Zygote

READERS = 600


@pytest.mark.crash
@pytest.mark.postgres
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("postgres_binaries")
def test_a_restart_of_postgresql_while_mails_go_out_loses_nobody_and_puts_nobody_in_doubt(place: Path, nursery: Zygote):
    with own_cluster(place / "cluster") as cluster:
        store = Store(cluster.url)
        engines.upgrade(store)
        issue = sending_issue(store, READERS, chunk_size=200)
        settings = {"delivery__lease_s": 10, "delivery__on_doubt": "hold"}
        with (
            start_sink(place, keep=False, delay_s=0.03) as sink,
            crew(store, place, sink.port, **settings) as ours,
        ):
            worker = nursery.start("worker", folder=place, log=place / "worker.log", environment=ours.environment)
            for share in (0.1, 0.4):
                until(lambda share=share: len(sink.accepted()) >= share * READERS, "mails to arrive")
                cluster.restart()
            until(lambda: len(sink.accepted()) >= READERS, "everybody to be reached", seconds=120)

            def settled() -> bool:
                return editions.audit(store, issue.id).tally.open_count == 0

            until(settled, "every answer to be recorded", seconds=60)
            worker.send(signal.SIGKILL)
            arrived = sink.recipients()
        counts = editions.audit(store, issue.id).tally.counts
        store.close()

    assert counts[DeliveryState.UNKNOWN] == 0
    assert counts[DeliveryState.SENT] == READERS
    assert arrived == Counter({f"reader{n}@example.com": 1 for n in range(1, READERS + 1)})
