"""Sending notices: claim → mark → fill → send → record, each by itself and before all bulk.

The order is the proof, as in `deliver.chunk`: a row is marked, and that is committed, before its first byte; its
outcome is written only under the same lease; the journal says what was on the wire when a process dies. Other than
there each outcome is recorded as soon as it is known: notices are few, and somebody waits for each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from digest.deliver.journal import NOTICES
from digest.deliver.lease import Lease
from digest.deliver.letter import sender_domain
from digest.deliver.routing import relay_of_result
from digest.deliver.verdicts import kept
from digest.deliver.worker import Worker
from digest.mime.dkim import Signer
from digest.mime.ids import notice_message_id
from digest.mime.notice import NoticeMail, notice_parts
from digest.model.delivery import DeliveryState, FailReason, Marked, Outcome, backoff
from digest.model.errors import ConfigInvalid, LeaseLost, MessageInvalid, RelayRefused, RelayUnreachable
from digest.model.notice import Notice
from digest.model.publication import Publication
from digest.smtp.connection import SendResult
from digest.smtp.replies import Verdict
from digest.store import notices
from digest.text.discreet import discreet

log = structlog.get_logger()

#: Claimed at a time: what is claimed and not sent yet waits for its turn here, where others cannot take it.
_CLAIM = 50
#: Somebody waits, so the pauses are shorter than an issue's; greylisting ends after a minute or five.
_RETRY_FIRST = timedelta(minutes=1)
_BUSY_PAUSE = timedelta(seconds=30)
_RECONNECT_PAUSE = timedelta(seconds=5)
#: A key or setting that cannot be used: an operator has to mend it.
_MEND_PAUSE = timedelta(minutes=1)

#: Verdict → next state, reason, pause. What goes back to pending was not the message's fault and is not counted.
MEANING: Mapping[Verdict, tuple[DeliveryState, FailReason | None, timedelta | None]] = {
    Verdict.ACCEPTED: (DeliveryState.SENT, None, None),
    Verdict.DEFERRED: (DeliveryState.DEFERRED, None, None),
    Verdict.REJECTED: (DeliveryState.FAILED, FailReason.REJECTED, None),
    Verdict.NEEDS_SMTPUTF8: (DeliveryState.FAILED, FailReason.NEEDS_SMTPUTF8, None),
    Verdict.DOUBT: (DeliveryState.UNKNOWN, None, None),
    Verdict.RELAY_REFUSED: (DeliveryState.PENDING, None, _BUSY_PAUSE),
    Verdict.RELAY_BUSY: (DeliveryState.PENDING, None, _BUSY_PAUSE),
    Verdict.PROVIDER_BUSY: (DeliveryState.PENDING, None, _BUSY_PAUSE),
    Verdict.LOST: (DeliveryState.PENDING, None, _RECONNECT_PAUSE),
}


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Whom a publication's notices are from: its sender, who gets the bounces, and who signs.

    ``key`` names messages; ``signer`` None leaves signing to the relay.
    """

    publication: Publication
    return_path: str
    key: bytes
    signer: Signer | None = None

    def wire(self, notice: Notice, marked: Marked) -> bytes:
        """The bytes of a notice, the same on every attempt. Raises MessageInvalid."""
        sender = self.publication.sender_email
        mail = NoticeMail(
            sender_name=self.publication.sender_name,
            sender_email=sender,
            reply_to=self.publication.reply_to,
            to_email=notice.email,
            subject=notice.subject,
            date=marked.first_attempt_at,
            message_id=notice_message_id(
                self.key, kind=notice.kind, dedupe_key=notice.dedupe_key, domain=sender_domain(sender)
            ),
            language=notice.language,
            text=notice.text,
            html=notice.html,
        )
        head, body = notice_parts(mail)
        signatures = b"" if self.signer is None else self.signer.sign(head, body, at=marked.first_attempt_at)
        return b"".join((signatures, head, b"\r\n", body))


#: Gives the letterhead of a publication by its id; raises ConfigInvalid.
Letterheads = Callable[[int], Letterhead]


async def send_notices(worker: Worker, letterheads: Letterheads) -> None:
    """Send every notice that is ready. Safe to run any number of times, on any worker.

    Raises RelayUnreachable or RelayRefused when the relay takes nothing (what was not sent waits, unharmed), and
    LeaseLost when this worker was stopped for too long.
    """
    while not worker.stop.is_set():
        lease = Lease(worker.policy.lease_for)
        worker.journal.begin(lease.token, NOTICES)
        batch = await asyncio.to_thread(_claim_and_mark, worker, lease)
        if batch:
            await _Round(worker, letterheads, lease).send_all(batch)
        # Reached only when every outcome is in the database: after an error the next start reads the journal.
        worker.journal.end(lease.token)
        if not batch:
            return


def _claim_and_mark(worker: Worker, lease: Lease) -> list[tuple[Notice, Marked]]:
    asked_at = time.monotonic()
    with worker.store.write() as tx:
        now = tx.now()
        claimed = notices.claim(tx, lease=lease.token, lease_for=lease.lasts, limit=_CLAIM, now=now)
        marked = notices.mark(tx, [one.id for one in claimed], lease=lease.token, lease_for=lease.lasts, now=now)
    lease.renewed(asked_at)
    return list(zip(claimed, marked, strict=True))


@dataclass(slots=True)
class _Round:
    """One lease's worth of notices."""

    worker: Worker
    letterheads: Letterheads
    lease: Lease
    trouble: Exception | None = None

    async def send_all(self, batch: Sequence[tuple[Notice, Marked]]) -> None:
        """Send and record each; raises afterwards what ended it early."""
        slots = asyncio.Semaphore(self.worker.in_flight)

        async def in_turn(notice: Notice, marked: Marked) -> None:
            async with slots:
                outcome = await self._outcome(notice, marked)
            # Shielded: a reply was read, a cancelled task must not lose it.
            await asyncio.shield(asyncio.to_thread(self._record, notice, outcome))

        heartbeat = asyncio.create_task(self._keep())
        try:
            await _all(in_turn(notice, marked) for notice, marked in batch)
        finally:
            heartbeat.cancel()
        if self.trouble is not None:
            raise self.trouble

    async def _outcome(self, notice: Notice, marked: Marked) -> Outcome:
        unsent = Outcome(notice.id, DeliveryState.PENDING, datetime.now(UTC), relay=self.worker.pool.relay.name)
        if self.trouble is None and not self.lease.is_good:
            self.trouble = LeaseLost("this worker was stopped for longer than its lease lasts")
        if self.trouble is not None or self.worker.stop.is_set():
            return unsent
        try:
            return_path, wire = await asyncio.to_thread(self._written, notice, marked)
        except MessageInvalid as error:
            return replace(
                unsent, state=DeliveryState.FAILED, reason=FailReason.INVALID_MESSAGE, reply_text=error.message
            )
        except ConfigInvalid as error:
            log.warning("notice.stuck", notice=notice.id, error=error.message, hint=error.hint)
            return replace(unsent, retry_at=unsent.at + _MEND_PAUSE, reply_text=error.message)
        self.worker.journal.sending(self.lease.token, notice.id)
        outcome = await self._attempt(return_path, notice, marked, wire=wire, unsent=unsent)
        self.worker.journal.answered(self.lease.token, outcome)
        self.worker.journal.flush()
        return outcome

    def _written(self, notice: Notice, marked: Marked) -> tuple[str, bytes]:
        letterhead = self.letterheads(notice.publication_id)
        return letterhead.return_path, letterhead.wire(notice, marked)

    async def _attempt(
        self, return_path: str, notice: Notice, marked: Marked, *, wire: bytes, unsent: Outcome
    ) -> Outcome:
        try:
            result = await self.worker.pool.send(return_path, notice.email, wire, urgent=True)
        except (RelayUnreachable, RelayRefused) as error:
            self.trouble = self.trouble or error
            return unsent
        relay = relay_of_result(self.worker.pool, result)
        if result.verdict is Verdict.RELAY_REFUSED:
            self.trouble = self.trouble or RelayRefused(
                f"relay {relay!r} refuses our mail: {discreet(str(result.reply), notice.email)}",
                hint="this concerns our sender, login or policy, not the reader; mend it, then run again",
            )
        return self._judged(result, notice, marked, relay=relay)

    def _judged(self, result: SendResult, notice: Notice, marked: Marked, *, relay: str) -> Outcome:
        now = datetime.now(UTC)
        state, reason, pause = MEANING[result.verdict]
        retry_at = now + pause if pause else None
        if state is DeliveryState.DEFERRED:
            retry_at = now + backoff(marked.attempt, first=_RETRY_FIRST, rng=self.worker.rng)
            if retry_at > notice.expires_at:
                state, reason, retry_at = DeliveryState.FAILED, FailReason.EXPIRED, None
        reply = result.reply
        return Outcome(
            subscriber_id=notice.id,
            state=state,
            at=now,
            relay=relay,
            reply_code=reply.code if reply else None,
            enhanced_code=reply.enhanced if reply else None,
            reply_text=kept(reply, notice.email) if reply else "",
            reason=reason,
            retry_at=retry_at,
        )

    def _record(self, notice: Notice, outcome: Outcome) -> None:
        with self.worker.store.write() as tx:
            is_ours = notices.record(tx, lease=self.lease.token, outcomes=[outcome])
        if not is_ours:
            log.warning("notice.outcome_fenced_off", notice=notice.id)
        log.info(
            "notice.tried",
            notice=notice.id,
            kind=notice.kind.value,
            state=outcome.state.value,
            code=outcome.reply_code,
        )

    async def _keep(self) -> None:
        """Renew the lease while a slow relay holds the notices up."""
        while True:
            await asyncio.sleep(self.lease.lasts.total_seconds() / 4)
            asked_at = time.monotonic()
            if await asyncio.to_thread(self._renew):
                self.lease.renewed(asked_at)

    def _renew(self) -> int:
        with self.worker.store.write() as tx:
            return notices.renew(tx, lease=self.lease.token, lease_for=self.lease.lasts, now=tx.now())


async def _all(jobs: Iterable[Awaitable[None]]) -> None:
    """Let every job come to its end, then raise the first fault of ours."""
    for result in await asyncio.gather(*jobs, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
