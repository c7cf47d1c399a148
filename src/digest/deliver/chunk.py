"""Delivering a chunk: claim → (mark → fill → send → record)*.

Order is the proof. A row is marked `sending`, and that is committed, before its first byte; its outcome is written
only under the same lease. So whatever dies wherever: a row that is leased was not on the wire, a row that is
sending may have been, and no other state is in doubt. Recording the last sub-batch and marking the next is one
transaction (architecture 2.8). The worker stops writing to sockets when it can no longer be sure of its lease.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from secrets import token_hex

import structlog

from digest.deliver.journal import Journal
from digest.deliver.letter import Letter
from digest.deliver.policy import Policy
from digest.deliver.routing import Router, relay_of_result
from digest.deliver.verdicts import outcome_of
from digest.model.delivery import ChunkRef, DeliveryState, FailReason, Marked, Outcome, Recipient
from digest.model.errors import LeaseLost, MessageInvalid, RelayRefused, RelayUnreachable
from digest.model.event import EventKind
from digest.smtp.pool import Pool
from digest.smtp.replies import Verdict
from digest.store import deliveries, events
from digest.store.engine import Store, Tx

log = structlog.get_logger()


@dataclass(slots=True)
class Worker:
    """One worker's hands: where it reads and writes, what it sends and through which relay.

    ``in_flight`` bounds the messages begun and not answered at one time, which is what a crash can put in doubt.
    ``stop`` set: finish what is on the wire, give the rest back. ``watch`` sees every recorded outcome.
    """

    store: Store
    pool: Pool | Router
    policy: Policy
    journal: Journal
    in_flight: int = 8
    rng: Random = field(default_factory=Random)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    watch: Callable[[Sequence[Outcome]], None] = lambda _outcomes: None


@dataclass(slots=True)
class _Lease:
    """The fenced right to send some deliveries. ``good_until`` is monotonic: a stopped process sees it pass."""

    token: str
    lasts: timedelta
    good_until: float = 0.0

    def renewed(self, asked_at: float) -> None:
        # Counted from before the statement was sent, and a tenth early: the database's view is never the shorter.
        self.good_until = asked_at + self.lasts.total_seconds() * 0.9

    @property
    def is_good(self) -> bool:
        return time.monotonic() < self.good_until


async def deliver_chunk(worker: Worker, ref: ChunkRef, letter: Letter) -> None:
    """Send every delivery of a chunk that can be sent now. Safe to run any number of times, on any worker.

    Raises RelayUnreachable or RelayRefused when the relay takes nothing (what was not sent waits, unharmed), and
    LeaseLost when another worker took over.
    """
    while not worker.stop.is_set():
        lease = _Lease(token_hex(12), worker.policy.lease_for)
        worker.journal.begin(lease.token, ref.issue_id)
        recipients = await asyncio.to_thread(_claim, worker, ref, lease)
        if not recipients:
            worker.journal.end(lease.token)
            return
        heartbeat = asyncio.create_task(_keep(worker, ref.issue_id, lease))
        try:
            await _send_all(worker, letter, lease, recipients)
        finally:
            heartbeat.cancel()
            await asyncio.to_thread(_release, worker, ref.issue_id, lease)
        # Reached only when every outcome is in the database: after an error the next start reads the journal.
        worker.journal.end(lease.token)


def _claim(worker: Worker, ref: ChunkRef, lease: _Lease) -> list[Recipient]:
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


def _release(worker: Worker, issue_id: int, lease: _Lease) -> None:
    with worker.store.write() as tx:
        deliveries.release(tx, issue_id, lease=lease.token)


async def _keep(worker: Worker, issue_id: int, lease: _Lease) -> None:
    """Renew the lease while a slow relay holds a sub-batch up."""
    while True:
        await asyncio.sleep(lease.lasts.total_seconds() / 4)
        asked_at = time.monotonic()

        def renew() -> int:
            with worker.store.write() as tx:
                return deliveries.renew(tx, issue_id, lease=lease.token, lease_for=lease.lasts, now=tx.now())

        if await asyncio.to_thread(renew):
            lease.renewed(asked_at)


async def _send_all(worker: Worker, letter: Letter, lease: _Lease, recipients: Sequence[Recipient]) -> None:
    outcomes: list[Outcome] = []
    size = worker.policy.sub_batch
    try:
        for start in range(0, len(recipients), size):
            batch = recipients[start : start + size]
            if worker.stop.is_set():
                return
            marked = await asyncio.to_thread(_record_and_mark, worker, letter.issue.id, lease, outcomes, batch)
            outcomes = []
            if not marked:
                return  # paused, cancelled, or everybody in it has left
            outcomes, trouble = await _send_batch(worker, letter, lease, _pair(batch, marked))
            if trouble is not None:
                raise trouble
    finally:
        if outcomes:
            # Shielded: these replies were read, a cancelled task must not lose them.
            await asyncio.shield(asyncio.to_thread(_record, worker, letter, lease, outcomes))


def _pair(batch: Sequence[Recipient], marked: Sequence[Marked]) -> list[tuple[Recipient, Marked]]:
    by_id = {recipient.subscriber_id: recipient for recipient in batch}
    return [(by_id[item.subscriber_id], item) for item in marked]


def _record_and_mark(
    worker: Worker, issue_id: int, lease: _Lease, outcomes: Sequence[Outcome], batch: Sequence[Recipient]
) -> list[Marked]:
    asked_at = time.monotonic()
    with worker.store.write() as tx:
        _write(tx, issue_id, lease, outcomes)
        marked = deliveries.mark(
            tx,
            issue_id,
            lease=lease.token,
            lease_for=lease.lasts,
            subscriber_ids=[recipient.subscriber_id for recipient in batch],
            now=tx.now(),
        )
    lease.renewed(asked_at)
    worker.watch(outcomes)
    return marked


def _record(worker: Worker, letter: Letter, lease: _Lease, outcomes: Sequence[Outcome]) -> None:
    with worker.store.write() as tx:
        _write(tx, letter.issue.id, lease, outcomes)
    worker.watch(outcomes)


def _write(tx: Tx, issue_id: int, lease: _Lease, outcomes: Sequence[Outcome]) -> None:
    ours = deliveries.record(tx, issue_id, lease=lease.token, outcomes=outcomes)
    if ours < len(outcomes):
        log.warning("delivery.outcome_fenced_off", issue=issue_id, lost=len(outcomes) - ours)
    for outcome in outcomes:
        if outcome.address_is_dead:
            events.append(
                tx,
                EventKind.BOUNCED,
                dedupe_key=f"bounced:{issue_id}:{outcome.subscriber_id}",
                at=outcome.at,
                issue_id=issue_id,
                subscriber_id=outcome.subscriber_id,
                detail=f"{outcome.reply_code} {outcome.enhanced_code or ''} {outcome.reply_text}".strip(),
            )


@dataclass(slots=True)
class _Trouble:
    """What ended a sub-batch early: the first cause counts, the rest are its echoes."""

    error: Exception | None = None

    def note(self, error: Exception) -> None:
        if self.error is None:
            self.error = error


async def _send_batch(
    worker: Worker, letter: Letter, lease: _Lease, batch: Sequence[tuple[Recipient, Marked]]
) -> tuple[list[Outcome], Exception | None]:
    """Send a marked sub-batch; gives an outcome for each row in it, and the trouble that ended it early."""
    trouble = _Trouble()
    slots = asyncio.Semaphore(worker.in_flight)

    async def in_turn(recipient: Recipient, marked: Marked) -> Outcome:
        async with slots:
            return await _send_one(worker, letter, recipient, marked, lease=lease, trouble=trouble)

    tasks = [asyncio.ensure_future(in_turn(recipient, marked)) for recipient, marked in batch]
    try:
        outcomes = await asyncio.gather(*tasks)
    except BaseException:
        # A fault of our own, or we are being cancelled: let what is on the wire finish, and keep its replies.
        await asyncio.gather(*tasks, return_exceptions=True)
        done = [task.result() for task in tasks if not task.cancelled() and task.exception() is None]
        if done:
            await asyncio.shield(asyncio.to_thread(_record, worker, letter, lease, done))
        raise
    return outcomes, trouble.error


async def _send_one(
    worker: Worker, letter: Letter, recipient: Recipient, marked: Marked, *, lease: _Lease, trouble: _Trouble
) -> Outcome:
    if trouble.error is not None:
        return _unsent(recipient, worker)
    if not lease.is_good:
        trouble.note(LeaseLost("this worker was stopped for longer than its lease lasts"))
        return _unsent(recipient, worker)
    try:
        wire = letter.wire(recipient, marked)
    except MessageInvalid as error:
        # One reader's odd address must not keep the issue from all the others.
        return replace(
            _unsent(recipient, worker),
            state=DeliveryState.FAILED,
            reason=FailReason.INVALID_MESSAGE,
            reply_text=error.message,
        )
    worker.journal.sending(lease.token, recipient.subscriber_id)
    outcome = await _attempt(worker, letter, recipient, marked, wire=wire, trouble=trouble)
    worker.journal.answered(lease.token, outcome)
    return outcome


async def _attempt(
    worker: Worker, letter: Letter, recipient: Recipient, marked: Marked, *, wire: bytes, trouble: _Trouble
) -> Outcome:
    try:
        result = await worker.pool.send(letter.return_path, recipient.email, wire)
    except (RelayUnreachable, RelayRefused) as error:
        trouble.note(error)
        return _unsent(recipient, worker)
    if result.verdict is Verdict.RELAY_REFUSED:
        trouble.note(
            RelayRefused(
                f"relay {relay_of_result(worker.pool, result)!r} refuses our mail: {result.reply}",
                hint="this concerns our sender, login or policy, not the reader; mend it, then run again",
            )
        )
    return outcome_of(
        result,
        recipient,
        marked,
        policy=worker.policy,
        letter=letter,
        relay=relay_of_result(worker.pool, result),
        rng=worker.rng,
    )


def _unsent(recipient: Recipient, worker: Worker) -> Outcome:
    return Outcome(
        subscriber_id=recipient.subscriber_id,
        state=DeliveryState.PENDING,
        at=datetime.now(UTC),
        relay=worker.pool.relay.name,
    )
