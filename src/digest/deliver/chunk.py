"""Delivering a chunk: claim, then send its deliveries (`deliver.shift`), until nothing of it can be claimed.

Order is the proof. A row is marked `sending`, and that is committed, before its first byte; its outcome is written
only under the same lease. So whatever dies wherever: a row that is leased was not on the wire, a row that is
sending may have been, and no other state is in doubt. The worker stops writing to sockets when it can no longer be
sure of its lease.
"""

from __future__ import annotations

import asyncio
import time

from digest.deliver.lease import Lease
from digest.deliver.letter import Letter
from digest.deliver.shift import Shift
from digest.deliver.worker import Worker
from digest.model.delivery import ChunkRef, Recipient
from digest.store import deliveries


async def deliver_chunk(worker: Worker, ref: ChunkRef, letter: Letter) -> None:
    """Send every delivery of a chunk that can be sent now. Safe to run any number of times, on any worker.

    Raises RelayUnreachable or RelayRefused when the relay takes nothing (what was not sent waits, unharmed), and
    LeaseLost when another worker took over.
    """
    while not worker.stop.is_set():
        lease = Lease(worker.policy.lease_for)
        worker.journal.begin(lease.token, ref.issue_id)
        recipients = await asyncio.to_thread(_claim, worker, ref, lease)
        if not recipients:
            worker.journal.end(lease.token)
            return
        heartbeat = asyncio.create_task(_keep(worker, ref.issue_id, lease))
        try:
            await Shift(worker, letter, lease, recipients).work()
        finally:
            heartbeat.cancel()
            await asyncio.to_thread(_release, worker, ref.issue_id, lease)
        # Reached only when every outcome is in the database: after an error the next start reads the journal.
        worker.journal.end(lease.token)


def _claim(worker: Worker, ref: ChunkRef, lease: Lease) -> list[Recipient]:
    asked_at = time.monotonic()
    with worker.store.write() as tx:
        deliveries.skip_departed(tx, ref.issue_id, chunk=ref.chunk)
        recipients = deliveries.claim(
            tx,
            ref.issue_id,
            chunk=ref.chunk,
            lease=lease.token,
            lease_for=lease.lasts,
            limit=worker.policy.claim_size,
            now=tx.now(),
        )
    lease.renewed(asked_at)
    return recipients


def _release(worker: Worker, issue_id: int, lease: Lease) -> None:
    with worker.store.write() as tx:
        deliveries.release(tx, issue_id, lease=lease.token)


async def _keep(worker: Worker, issue_id: int, lease: Lease) -> None:
    """Renew the lease as long as the work goes on."""
    while True:
        await asyncio.sleep(lease.lasts.total_seconds() / 4)
        asked_at = time.monotonic()

        def renew() -> int:
            with worker.store.write() as tx:
                return deliveries.renew(tx, issue_id, lease=lease.token, lease_for=lease.lasts, now=tx.now())

        if await asyncio.to_thread(renew):
            lease.renewed(asked_at)
