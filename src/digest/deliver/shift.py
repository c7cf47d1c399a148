"""One lease's deliveries on their way: mark, fill, send and record, all at the same time.

The books (`Shift._keep_books`) record what was answered and mark what comes next, both in one transaction
(architecture 2.8); a number of hands send what is marked, each one mail after another, so nothing waits for the
slowest of a batch. What is marked and not answered is at most one sub-batch: so far a pause can lag behind, and less,
because what has not begun when the issue stops being sent is given back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from digest.deliver.lease import Lease
from digest.deliver.letter import Letter
from digest.deliver.providers import domain_of
from digest.deliver.routing import relay_of_result
from digest.deliver.verdicts import outcome_of
from digest.deliver.worker import Worker
from digest.model.delivery import DeliveryState, FailReason, Marked, Outcome, Recipient
from digest.model.errors import LeaseLost, MessageInvalid, RelayRefused, RelayUnreachable
from digest.smtp.envelope import Formed
from digest.smtp.replies import Verdict
from digest.store import bounces, deliveries
from digest.store.engine import Tx
from digest.text.discreet import discreet

log = structlog.get_logger()

#: Recorded at the latest when so many are answered or so many seconds have passed.
_RECORD_AT, _RECORD_AFTER_S = 100, 0.25
#: How long nothing may happen before the issue's state is looked at again.
_LOOK_S = 1.0
#: Composed and signed at a time by one thread: one message at a time starves behind a busy loop (performance.md 4).
_SIGN_AT_ONCE = 16


@dataclass(slots=True)
class _Item:
    """A marked delivery; ``wire`` is filled ahead where threads do it, else by the hand that sends it."""

    recipient: Recipient
    marked: Marked
    wire: Formed | MessageInvalid | None = None


class Shift:
    """What is done under one lease. Made for one `work`."""

    def __init__(self, worker: Worker, letter: Letter, lease: Lease, recipients: Sequence[Recipient]) -> None:
        self._worker = worker
        self._letter = letter
        self._issue_id = letter.issue.id
        self._lease = lease
        self._leased = deque(recipients)
        self._ready: deque[_Item] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._outcomes: list[Outcome] = []
        self._open_count = 0  # marked and not answered, at most:
        self._step = worker.policy.sub_batch // 2  # marked at a time
        self._room = max(worker.policy.sub_batch, worker.in_flight + self._step)
        self._is_over = False
        self._error: Exception | None = None
        self._changed = asyncio.Event()
        self._filling: set[asyncio.Future[list[_Item]]] = set()

    async def work(self) -> None:
        """Send all, or as much as can be. Raises what ended it early, once all that was answered is recorded."""
        hands = [asyncio.create_task(self._send_on()) for _ in range(min(self._worker.in_flight, len(self._leased)))]
        try:
            await self._keep_books()
        except asyncio.CancelledError:
            for hand in hands:
                hand.cancel()
            raise
        finally:
            self._end()
            # Should the database be gone, what is on the wire is answered all the same, and the journal keeps it.
            await asyncio.gather(*hands, *self._filling, return_exceptions=True)
            self._give_back()
            if self._outcomes:
                # Shielded: these replies were read, a cancelled task must not lose them.
                await asyncio.shield(asyncio.to_thread(self._record, self._outcomes))
        if self._error is not None:
            raise self._error

    @property
    def _has_settled(self) -> bool:
        return self._open_count == 0

    @property
    def _wants_more(self) -> bool:
        """Whether there is room for another step: marked before the hands have nothing to do."""
        return bool(self._leased) and self._open_count + self._step <= self._room

    # --- the books ---

    async def _keep_books(self) -> None:
        while True:
            if self._worker.stop.is_set():
                self._end()
            if self._is_over:
                self._give_back()
            if self._wants_more and not self._is_over:
                await self._mark()
            elif len(self._outcomes) >= _RECORD_AT or (self._has_settled and self._outcomes):
                await self._write()
            elif self._has_settled and (self._is_over or not self._leased):
                return
            else:
                await self._wait()

    async def _wait(self) -> None:
        """Until something happens; whatever has been answered meanwhile is recorded in time, and the state read."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), _RECORD_AFTER_S if self._outcomes else _LOOK_S)
        except TimeoutError:
            await self._write()

    async def _mark(self) -> None:
        batch = [self._leased.popleft() for _ in range(min(self._step, len(self._leased)))]
        outcomes, self._outcomes = self._outcomes, []
        try:
            marked = await asyncio.to_thread(self._record_and_mark, outcomes, batch)
        except BaseException:
            self._outcomes = outcomes + self._outcomes
            raise
        by_id = {recipient.subscriber_id: recipient for recipient in batch}
        items = [_Item(by_id[item.subscriber_id], item) for item in marked]
        self._open_count += len(items)
        if not items:
            await self._write()  # paused, cancelled, or everybody in it has left
        self._fill(items)

    async def _write(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        try:
            is_sending = await asyncio.to_thread(self._record, outcomes)
        except BaseException:
            self._outcomes = outcomes + self._outcomes
            raise
        if not is_sending:
            self._end()

    def _record_and_mark(self, outcomes: Sequence[Outcome], batch: Sequence[Recipient]) -> list[Marked]:
        with self._worker.store.write() as tx:
            self._store(tx, outcomes)
            marked = deliveries.mark(
                tx,
                self._issue_id,
                lease=self._lease.token,
                subscriber_ids=[recipient.subscriber_id for recipient in batch],
                now=tx.now(),
            )
        self._worker.watch(outcomes)
        return marked

    def _record(self, outcomes: Sequence[Outcome]) -> bool:
        """Record, and tell whether the issue is still being sent."""
        with self._worker.store.write() if outcomes else self._worker.store.read() as tx:
            self._store(tx, outcomes)
            is_sending = deliveries.is_sending(tx, self._issue_id, now=tx.now())
        self._worker.watch(outcomes)
        return is_sending

    def _store(self, tx: Tx, outcomes: Sequence[Outcome]) -> None:
        ours = deliveries.record(tx, self._issue_id, lease=self._lease.token, outcomes=outcomes)
        if ours < len(outcomes):
            log.warning("delivery.outcome_fenced_off", issue=self._issue_id, lost=len(outcomes) - ours)
        bounces.note(tx, self._issue_id, outcomes)

    def _end(self, error: Exception | None = None) -> None:
        """Begin nothing more. The first cause counts, the rest are its echoes."""
        self._is_over = True
        self._error = self._error or error
        self._changed.set()
        while self._idle:
            self._wake()

    def _give_back(self) -> None:
        """What is marked and has not begun goes back untouched."""
        while self._ready:
            self._settle(self._unsent(self._ready.popleft().recipient))

    # --- composing ---

    def _fill(self, items: list[_Item]) -> None:
        """Make items ready: filled and signed in threads where that pays, else as they are."""
        threads = self._worker.signing if self._letter.signer is not None else None
        if threads is None:
            self._put(items)
            return
        loop = asyncio.get_running_loop()
        for start in range(0, len(items), _SIGN_AT_ONCE):
            filling = loop.run_in_executor(threads, self._filled, items[start : start + _SIGN_AT_ONCE])
            self._filling.add(filling)
            filling.add_done_callback(self._arrived)

    def _filled(self, items: list[_Item]) -> list[_Item]:
        for item in items:
            item.wire = self._wire(item)
        return items

    def _wire(self, item: _Item) -> Formed | MessageInvalid:
        try:
            return self._letter.formed(item.recipient, item.marked)
        except MessageInvalid as error:
            return error

    def _arrived(self, filling: asyncio.Future[list[_Item]]) -> None:
        self._filling.discard(filling)
        if filling.cancelled():
            return
        if problem := filling.exception():
            self._end(problem if isinstance(problem, Exception) else RuntimeError(str(problem)))
            return
        self._put(filling.result())

    def _put(self, items: Sequence[_Item]) -> None:
        self._ready.extend(items)
        if self._is_over:
            self._changed.set()
        for _ in range(min(len(items), len(self._idle))):
            self._wake()

    def _wake(self) -> None:
        place = self._idle.popleft()
        if not place.done():
            place.set_result(None)

    # --- the hands ---

    async def _send_on(self) -> None:
        """Send one mail after another until there is no more."""
        journal, lease = self._worker.journal, self._lease
        while True:
            if not self._ready:
                journal.flush()
                if self._is_over:
                    return
                place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._idle.append(place)
                await place
                continue
            item = self._ready.popleft()
            if not lease.is_good:
                self._end(LeaseLost("this worker was stopped for longer than its lease lasts"))
            if self._is_over:
                self._settle(self._unsent(item.recipient))
                continue
            try:
                self._settle(await self._send_one(item))
            except Exception as error:  # noqa: BLE001 - `work` raises it, once all that is on the wire is answered
                self._end(error)
                self._open_count -= 1  # nothing is known of it: its row stays as it is
                self._changed.set()

    async def _send_one(self, item: _Item) -> Outcome:
        recipient = item.recipient
        if held_until := self._worker.pacer.held_until(domain_of(recipient.email)):
            return replace(self._unsent(recipient), retry_at=held_until, reply_text="the provider asks for less mail")
        wire = item.wire or self._wire(item)
        if isinstance(wire, MessageInvalid):
            # One reader's odd address must not keep the issue from all the others.
            return replace(
                self._unsent(recipient),
                state=DeliveryState.FAILED,
                reason=FailReason.INVALID_MESSAGE,
                reply_text=wire.message,
            )
        worker = self._worker
        worker.journal.sending(self._lease.token, recipient.subscriber_id)
        outcome = await self._attempt(item, wire)
        worker.journal.answered(self._lease.token, outcome)
        return outcome

    async def _attempt(self, item: _Item, wire: Formed) -> Outcome:
        worker = self._worker
        try:
            ours = Formed(wire.pieces, wire.size, self._may_go)
            result = await worker.pool.send(self._letter.return_path, item.recipient.email, ours, urgent=worker.urgent)
        except (RelayUnreachable, RelayRefused) as error:
            self._end(error)
            return self._unsent(item.recipient)
        worker.pacer.learn(domain_of(item.recipient.email), result)
        relay = relay_of_result(worker.pool, result)
        if result.verdict is Verdict.RELAY_REFUSED:
            self._end(
                RelayRefused(
                    f"relay {relay!r} refuses our mail: {discreet(str(result.reply), item.recipient.email)}",
                    hint="this concerns our sender, login or policy, not the reader; mend it, then run again",
                )
            )
        return outcome_of(
            result, item.recipient, item.marked, policy=worker.policy, letter=self._letter, relay=relay, rng=worker.rng
        )

    def _may_go(self) -> bool:
        """Asked again when the message itself is about to be written: a stopped process may have slept till then."""
        return self._lease.is_good

    def _settle(self, outcome: Outcome) -> None:
        self._open_count -= 1
        self._outcomes.append(outcome)
        if len(self._outcomes) >= _RECORD_AT or self._has_settled or self._wants_more:
            self._changed.set()

    def _unsent(self, recipient: Recipient) -> Outcome:
        return Outcome(
            subscriber_id=recipient.subscriber_id,
            state=DeliveryState.PENDING,
            at=datetime.now(UTC),
            relay=self._worker.pool.relay.name,
        )
