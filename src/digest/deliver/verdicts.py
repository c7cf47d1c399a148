"""From what the relay said to what becomes of the delivery (mail-standards 2a, first cut)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from digest.deliver.letter import Letter
from digest.deliver.policy import Policy
from digest.model.delivery import DeliveryState, FailReason, Marked, Outcome, Recipient, backoff
from digest.smtp.connection import SendResult
from digest.smtp.replies import Verdict, address_is_dead

#: A lost connection is tried again soon, but not in a tight loop.
_RECONNECT_PAUSE = timedelta(seconds=5)
#: A relay that says 421 or 454 wants to be left alone for a while.
_BUSY_PAUSE = timedelta(minutes=1)

_STATES = {
    Verdict.ACCEPTED: DeliveryState.SENT,
    Verdict.DEFERRED: DeliveryState.DEFERRED,
    Verdict.REJECTED: DeliveryState.FAILED,
    Verdict.NEEDS_SMTPUTF8: DeliveryState.FAILED,
    Verdict.DOUBT: DeliveryState.UNKNOWN,
    # Not the message's fault: free to try again, not counted as an attempt.
    Verdict.RELAY_REFUSED: DeliveryState.PENDING,
    Verdict.RELAY_BUSY: DeliveryState.PENDING,
    Verdict.LOST: DeliveryState.PENDING,
}
_REASONS = {Verdict.REJECTED: FailReason.REJECTED, Verdict.NEEDS_SMTPUTF8: FailReason.NEEDS_SMTPUTF8}
_PAUSES = {Verdict.RELAY_BUSY: _BUSY_PAUSE, Verdict.LOST: _RECONNECT_PAUSE}


def outcome_of(
    result: SendResult,
    recipient: Recipient,
    marked: Marked,
    *,
    policy: Policy,
    letter: Letter,
    relay: str,
    rng: Random,
) -> Outcome:
    """The outcome of one attempt. A deferred delivery that would be tried after its expiry fails as expired."""
    now = datetime.now(UTC)
    state, reason = _STATES[result.verdict], _REASONS.get(result.verdict)
    retry_at = now + _PAUSES[result.verdict] if result.verdict in _PAUSES else None
    if state is DeliveryState.DEFERRED:
        retry_at = now + backoff(marked.attempt, first=policy.retry_first, rng=rng)
        if retry_at > (letter.issue.sending_at or now) + policy.expire_after:
            state, reason, retry_at = DeliveryState.FAILED, FailReason.EXPIRED, None
    reply = result.reply
    return Outcome(
        subscriber_id=recipient.subscriber_id,
        state=state,
        at=now,
        relay=relay,
        reply_code=reply.code if reply else None,
        enhanced_code=reply.enhanced if reply else None,
        reply_text=reply.text if reply else "",
        reason=reason,
        retry_at=retry_at,
        address_is_dead=bool(reply and state is DeliveryState.FAILED and address_is_dead(reply)),
    )
