"""From what the relay said to what becomes of the delivery and what it means for the address (mail-standards 2a)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from digest.deliver.letter import Letter
from digest.deliver.policy import Policy
from digest.deliver.routing import Routed
from digest.mime.address import parse_address
from digest.model.delivery import DeliveryState, FailReason, Marked, Outcome, Recipient, backoff
from digest.model.mailbox import Hindrance
from digest.smtp.connection import SendResult
from digest.smtp.mailbox import address_is_dead, hindrance_in
from digest.smtp.replies import Reply, Verdict
from digest.text.discreet import discreet

#: A lost connection is tried again soon, but not in a tight loop.
_RECONNECT_PAUSE = timedelta(seconds=5)
#: Who says 421 or 454 wants to be left alone for a while; a router knows better for how long.
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
    Verdict.PROVIDER_BUSY: DeliveryState.PENDING,
    Verdict.LOST: DeliveryState.PENDING,
}
_REASONS = {Verdict.REJECTED: FailReason.REJECTED, Verdict.NEEDS_SMTPUTF8: FailReason.NEEDS_SMTPUTF8}
_PAUSES = {Verdict.RELAY_BUSY: _BUSY_PAUSE, Verdict.PROVIDER_BUSY: _BUSY_PAUSE, Verdict.LOST: _RECONNECT_PAUSE}


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
    reply = result.reply
    if result.verdict is Verdict.ACCEPTED and reply is not None and not recipient.is_hindered:  # nearly every time
        said = kept(reply, recipient.email)
        return Outcome(recipient.subscriber_id, DeliveryState.SENT, now, relay, reply.code, reply.enhanced, said)
    state, reason = _STATES[result.verdict], _REASONS.get(result.verdict)
    retry_at = now + _PAUSES[result.verdict] if result.verdict in _PAUSES else None
    if state is DeliveryState.UNKNOWN:
        retry_at = now + policy.doubt_pause
    if isinstance(result, Routed) and result.retry_at is not None:
        retry_at = result.retry_at
    if state is DeliveryState.DEFERRED:
        retry_at = now + backoff(marked.attempt, first=policy.retry_first, rng=rng)
        if retry_at > (letter.issue.sending_at or now) + policy.expire_after:
            state, reason, retry_at = DeliveryState.FAILED, FailReason.EXPIRED, None
    is_dead, hindrance = _of_the_address(result.verdict, reply)
    return Outcome(
        subscriber_id=recipient.subscriber_id,
        state=state,
        at=now,
        relay=relay,
        reply_code=reply.code if reply else None,
        enhanced_code=reply.enhanced if reply else None,
        reply_text=kept(reply, recipient.email) if reply else "",
        reason=reason,
        retry_at=retry_at,
        address_is_dead=is_dead,
        hindrance=hindrance,
        is_over=recipient.is_hindered and state is DeliveryState.SENT,
        email_hash=letter.keyring.address_hash(parse_address(recipient.email).norm) if is_dead or hindrance else "",
    )


def kept(reply: Reply, email: str) -> str:
    """The relay's words without the address they are about: they outlive the reader, and are shown beside others'."""
    if reply.code < 300 and "@" not in reply.text:
        return reply.text  # nearly all replies there are
    return discreet(reply.text, email)


def _of_the_address(verdict: Verdict, reply: Reply | None) -> tuple[bool, Hindrance | None]:
    """Whether the address is dead, and what stood in the way if it is not."""
    if verdict is Verdict.NEEDS_SMTPUTF8:
        return False, Hindrance.NEEDS_SMTPUTF8
    if verdict is not Verdict.REJECTED or reply is None:
        return False, None
    return (True, None) if address_is_dead(reply) else (False, hindrance_in(reply))
