"""A process: what the store does for a delivery, timed by itself: claim, mark, record.

    python -m bench.bookkeeping PROJECT --readers N

Nothing is sent. Batches are the product's own (`deliver.policy`), one transaction each, synced as in production. It
prints CPU microseconds a delivery of each step, as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from digest.app.container import open_container
from digest.deliver.policy import Policy
from digest.model.delivery import DeliveryState, Outcome, Recipient
from digest.store import deliveries, issues
from digest.store.engine import Store

T = TypeVar("T")
_LEASE, _LEASE_FOR = "bench", timedelta(hours=1)


class Timed:
    """CPU seconds by the name of a step."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}

    def __call__(self, step: str, work: Callable[[], T]) -> T:
        """Do something and put its CPU on the account of ``step``."""
        began = time.process_time()
        done = work()
        self.cpu_s[step] = self.cpu_s.get(step, 0.0) + time.process_time() - began
        return done


def claim(store: Store, issue_id: int, chunk: int) -> list[Recipient]:
    """The next deliveries of a chunk, leased."""
    with store.write() as tx:
        return deliveries.claim(
            tx,
            issue_id,
            chunk=chunk,
            lease=_LEASE,
            lease_for=_LEASE_FOR,
            limit=Policy().claim_size,
            now=tx.now(),
        )


def mark(store: Store, issue_id: int, batch: Sequence[Recipient]) -> None:
    """A sub-batch declared to be on the wire."""
    with store.write() as tx:
        ids = [recipient.subscriber_id for recipient in batch]
        deliveries.mark(tx, issue_id, lease=_LEASE, subscriber_ids=ids, now=tx.now())


def record(store: Store, issue_id: int, outcomes: Sequence[Outcome]) -> None:
    """What became of a sub-batch, in a transaction of its own. Raises RuntimeError when not all were taken."""
    with store.write() as tx:
        taken = deliveries.record(tx, issue_id, lease=_LEASE, outcomes=outcomes)
    if taken != len(outcomes):
        raise RuntimeError(f"{taken} of {len(outcomes)} outcomes were recorded")


def sent(recipient: Recipient) -> Outcome:
    """A delivery that a relay has taken."""
    return Outcome(
        subscriber_id=recipient.subscriber_id,
        state=DeliveryState.SENT,
        at=datetime.now(UTC),
        relay="default",
        reply_code=250,
        enhanced_code="2.0.0",
        reply_text="Ok: queued as 4Xy0000000",
    )


def main() -> None:
    """Take every delivery of the project's issue through its states."""
    parser = argparse.ArgumentParser()
    parser.add_argument("project", type=Path)
    parser.add_argument("--readers", type=int, required=True)
    options = parser.parse_args()
    timed, size, done = Timed(), Policy().sub_batch, 0
    with open_container(options.project / "digest.toml") as container:
        store = container.store
        with store.read() as tx:
            issue = issues.unfinished(tx)[0]
            chunks = deliveries.ready_chunks(tx, issue.id, now=tx.now())
        for chunk in chunks:
            while claimed := timed("claim", lambda chunk=chunk: claim(store, issue.id, chunk)):
                for start in range(0, len(claimed), size):
                    batch = claimed[start : start + size]
                    timed("mark", lambda batch=batch: mark(store, issue.id, batch))
                    outcomes = [sent(recipient) for recipient in batch]
                    timed("record", lambda outcomes=outcomes: record(store, issue.id, outcomes))
                    done += len(batch)
    if done != options.readers:
        raise SystemExit(f"{done} of {options.readers} deliveries were taken through")
    print(json.dumps({step: cpu_s / done * 1e6 for step, cpu_s in timed.cpu_s.items()}))


if __name__ == "__main__":
    main()
