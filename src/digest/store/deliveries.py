"""Deliveries: fan-out, claim, mark, record, sweep. The proof that nobody is mailed twice lives here.

Bars against double sending (architecture 2.5): the key (issue, subscriber) makes fan-out repeatable; `claim` hands
each row to one lease; `mark` is committed before the first byte of a row and only for its own lease; `record`
writes only under that lease, so a worker that was presumed dead writes into nothing. Every statement that moves
a row also asks for the state it moves from, and `claim` and `mark` ask that the issue is still sending and the
reader still subscribed, which is how pausing and leaving reach every worker.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Exists, and_, bindparam, exists, func, literal, or_, select, text, update

from digest.model.delivery import OPEN, DeliveryState, FailReason, Marked, OnDoubt, Outcome, Recipient, Tally
from digest.model.issue import Issue, IssueState, RenditionKey
from digest.model.subscriber import SubscriptionState
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import (
    delivery,
    issue,
    publication,
    subscriber,
    subscription,
    subscription_topic,
    topic,
)

_S = DeliveryState

#: How long an in-doubt delivery waits before it is sent once more (mail-standards 2b).
DOUBT_PAUSE = timedelta(minutes=15)

#: The condition of `ix_delivery_open` in its own words: SQLite takes a partial index only for a statement that
#: repeats its condition as it stands (bound values prove nothing to it). tests/store/test_plans.py checks it.
_NOT_DONE = text("delivery.state IN ('pending', 'leased', 'sending', 'deferred', 'unknown')")


def fan_out(
    tx: Tx, issue_: Issue, renditions: Mapping[RenditionKey, int | None], *, chunk_size: int, now: datetime
) -> int:
    """Make one delivery for every active reader of the issue's cadence; returns the size of the frozen audience.

    ``renditions``: key → rendition row, or None where the issue has nothing for those topics (then the delivery
    is skipped with that reason, so that it is on record). Repeatable: existing deliveries are left alone.
    """
    first_chunk = 0
    for key, rendition_id in sorted(renditions.items(), key=lambda pair: pair[0].text()):
        made = _fan_out_key(tx, issue_, key, rendition_id, first_chunk=first_chunk, chunk_size=chunk_size, now=now)
        first_chunk += -(-made // chunk_size)
    audience = tx.connection.execute(
        select(func.count()).select_from(delivery).where(delivery.c.issue_id == issue_.id)
    ).scalar_one()
    tx.connection.execute(update(issue).where(issue.c.id == issue_.id).values(audience=audience))
    return int(audience)


def _fan_out_key(
    tx: Tx,
    issue_: Issue,
    key: RenditionKey,
    rendition_id: int | None,
    *,
    first_chunk: int,
    chunk_size: int,
    now: datetime,
) -> int:
    rank = func.row_number().over(order_by=subscription.c.subscriber_id) - 1
    has_news = rendition_id is not None
    readers = (
        select(
            literal(issue_.id),
            subscription.c.subscriber_id,
            # `//` truncates on both databases: integers by integers
            (literal(first_chunk) + rank // chunk_size),
            literal(rendition_id, delivery.c.rendition_id.type),
            literal(now, delivery.c.due_at.type),
            literal((_S.PENDING if has_news else _S.SKIPPED).value),
            literal(None if has_news else FailReason.NO_MATCHING_NEWS.value, delivery.c.reason.type),
        )
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .join(publication, publication.c.id == subscription.c.publication_id)
        .where(
            subscription.c.publication_id == issue_.publication_id,
            subscription.c.cadence == issue_.cadence,
            subscription.c.state == SubscriptionState.ACTIVE.value,
            subscription.c.format == key.format,
            func.coalesce(subscriber.c.locale, publication.c.locale) == key.locale,
            _chose_exactly(key.topics),
        )
    )
    columns = ["issue_id", "subscriber_id", "chunk", "rendition_id", "due_at", "state", "reason"]
    statement = insert_or_ignore(tx, delivery).from_select(columns, readers).on_conflict_do_nothing()
    return int(tx.connection.execute(statement).rowcount)


def _chose_exactly(slugs: Sequence[str]) -> ColumnElement[bool]:
    chosen = (
        select(func.count())
        .select_from(subscription_topic)
        .where(
            subscription_topic.c.subscriber_id == subscription.c.subscriber_id,
            subscription_topic.c.publication_id == subscription.c.publication_id,
        )
    )
    total = chosen.scalar_subquery() == len(slugs)
    if not slugs:
        return total
    matching = chosen.join(topic, topic.c.id == subscription_topic.c.topic_id).where(topic.c.slug.in_(slugs))
    return and_(total, matching.scalar_subquery() == len(slugs))


def _issue_is_sending() -> Exists:
    return exists().where(issue.c.id == delivery.c.issue_id, issue.c.state == IssueState.SENDING.value)


def _is_sending(now: datetime) -> ColumnElement[bool]:
    """Whether the issue is being sent and its time is not up."""
    return _issue_is_sending().where(or_(issue.c.expires_at.is_(None), issue.c.expires_at > now))


def _still_subscribed() -> ColumnElement[bool]:
    return exists().where(
        subscription.c.subscriber_id == delivery.c.subscriber_id,
        subscription.c.publication_id == issue.c.publication_id,
        issue.c.id == delivery.c.issue_id,
        subscription.c.state == SubscriptionState.ACTIVE.value,
    )


def skip_departed(tx: Tx, issue_id: int, *, chunk: int) -> int:
    """Skip the waiting deliveries of a chunk whose readers have left since fan-out; returns how many."""
    result = tx.connection.execute(
        update(delivery)
        .where(
            delivery.c.issue_id == issue_id,
            delivery.c.chunk == chunk,
            _NOT_DONE,
            delivery.c.state.in_([_S.PENDING.value, _S.DEFERRED.value]),
            ~_still_subscribed(),
        )
        .values(state=_S.SKIPPED.value, reason=FailReason.UNSUBSCRIBED.value, next_attempt_at=None)
    )
    return result.rowcount


def claim(
    tx: Tx, issue_id: int, *, chunk: int, lease: str, lease_for: timedelta, limit: int, now: datetime
) -> list[Recipient]:
    """Lease up to ``limit`` pending deliveries of a chunk to ``lease`` and give all that filling them takes. Bar 4.

    Nothing is claimed unless the issue is sending. Readers who left are never claimed.
    """
    free = (
        select(delivery.c.subscriber_id)
        .where(
            delivery.c.issue_id == issue_id,
            delivery.c.chunk == chunk,
            _NOT_DONE,
            delivery.c.state == _S.PENDING.value,
            delivery.c.due_at <= now,
            or_(delivery.c.next_attempt_at.is_(None), delivery.c.next_attempt_at <= now),
            _is_sending(now),
            _still_subscribed(),
        )
        .order_by(delivery.c.subscriber_id)
        .limit(limit)
        # Two workers pass by each other's rows on PostgreSQL; SQLite has the write lock and drops this clause.
        .with_for_update(of=delivery, skip_locked=True)
        # A CTE, not a subquery: PostgreSQL may run a subquery again for each row, and so pass the limit.
        .cte("free")
    )
    claimed = tx.connection.execute(
        update(delivery)
        .where(
            delivery.c.issue_id == issue_id,
            delivery.c.subscriber_id.in_(select(free.c.subscriber_id)),
            delivery.c.state == _S.PENDING.value,
        )
        .values(state=_S.LEASED.value, lease=lease, lease_until=now + lease_for, next_attempt_at=None)
        .returning(delivery.c.subscriber_id)
    ).scalars()
    return _recipients(tx, issue_id, sorted(claimed))


def _recipients(tx: Tx, issue_id: int, subscriber_ids: Sequence[int]) -> list[Recipient]:
    if not subscriber_ids:
        return []
    rows = tx.connection.execute(
        select(
            delivery.c.subscriber_id,
            delivery.c.rendition_id,
            delivery.c.attempt,
            delivery.c.first_attempt_at,
            subscriber.c.email,
            subscriber.c.name,
            func.coalesce(subscriber.c.locale, publication.c.locale).label("locale"),
            subscription.c.token_id,
            func.coalesce(subscription.c.consent_at, subscription.c.created_at).label("signed_up_at"),
        )
        .join(issue, issue.c.id == delivery.c.issue_id)
        .join(publication, publication.c.id == issue.c.publication_id)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .join(
            subscription,
            and_(
                subscription.c.subscriber_id == delivery.c.subscriber_id,
                subscription.c.publication_id == issue.c.publication_id,
            ),
        )
        .where(delivery.c.issue_id == issue_id, delivery.c.subscriber_id.in_(subscriber_ids))
        .order_by(delivery.c.subscriber_id)
    )
    return [Recipient(issue_id=issue_id, **row._asdict()) for row in rows]


def mark(
    tx: Tx, issue_id: int, *, lease: str, lease_for: timedelta, subscriber_ids: Sequence[int], now: datetime
) -> list[Marked]:
    """Declare, before the first byte, that these deliveries may be on the wire from now on.

    Gives those that may be sent: still ours, the issue still sending, the reader still subscribed. Renews the
    lease on everything this worker holds. The caller must commit before it writes to a socket.
    """
    ours = and_(delivery.c.issue_id == issue_id, delivery.c.lease == lease)
    rows = tx.connection.execute(
        update(delivery)
        .where(
            ours,
            delivery.c.state == _S.LEASED.value,
            delivery.c.subscriber_id.in_(subscriber_ids),
            _is_sending(now),
            _still_subscribed(),
        )
        .values(
            state=_S.SENDING.value,
            attempt=delivery.c.attempt + 1,
            first_attempt_at=func.coalesce(delivery.c.first_attempt_at, literal(now, delivery.c.first_attempt_at.type)),
        )
        .returning(delivery.c.subscriber_id, delivery.c.attempt, delivery.c.first_attempt_at)
    ).all()
    renew(tx, issue_id, lease=lease, lease_for=lease_for, now=now)
    return sorted((Marked(*row) for row in rows), key=lambda marked: marked.subscriber_id)


def renew(tx: Tx, issue_id: int, *, lease: str, lease_for: timedelta, now: datetime) -> int:
    """Keep everything this lease still holds for another ``lease_for``; returns how many rows that are."""
    result = tx.connection.execute(
        update(delivery)
        .where(
            delivery.c.issue_id == issue_id,
            delivery.c.lease == lease,
            delivery.c.state.in_([_S.LEASED.value, _S.SENDING.value]),
        )
        .values(lease_until=now + lease_for)
    )
    return result.rowcount


def record(tx: Tx, issue_id: int, *, lease: str, outcomes: Sequence[Outcome]) -> int:
    """Write what became of attempts, under our lease only; returns how many were still ours. Bar 5.

    A row that was swept to ``unknown`` meanwhile keeps its lease, so that a late but definite reply settles it.
    Once the issue is closed, no late "not sent" opens it again: nobody would send it any more.
    An attempt that goes back to ``pending`` was not the message's fault and is not counted.
    """
    if not outcomes:
        return 0
    statement = (
        update(delivery)
        .where(
            delivery.c.issue_id == bindparam("b_issue"),
            delivery.c.subscriber_id == bindparam("b_subscriber"),
            delivery.c.lease == bindparam("b_lease"),
            # spelled out: an IN list cannot be used with many parameter sets at once
            or_(
                delivery.c.state == _S.SENDING.value,
                and_(delivery.c.state == _S.UNKNOWN.value, or_(bindparam("b_open") == 0, _issue_is_sending())),
            ),
        )
        .values(
            state=bindparam("b_state"),
            attempt=delivery.c.attempt - bindparam("b_uncharged"),
            next_attempt_at=bindparam("b_next", type_=delivery.c.next_attempt_at.type),
            lease=bindparam("b_kept"),
            lease_until=None,
            relay=bindparam("b_relay"),
            reply_code=bindparam("b_code"),
            enhanced_code=bindparam("b_enhanced"),
            reply_text=bindparam("b_text"),
            reason=bindparam("b_reason"),
            sent_at=bindparam("b_sent", type_=delivery.c.sent_at.type),
        )
    )
    return tx.connection.execute(statement, [_row(issue_id, lease, outcome) for outcome in outcomes]).rowcount


def _row(issue_id: int, lease: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "b_issue": issue_id,
        "b_subscriber": outcome.subscriber_id,
        "b_lease": lease,
        "b_kept": lease if outcome.state is _S.UNKNOWN else None,
        "b_state": outcome.state.value,
        "b_open": int(outcome.state in OPEN),
        "b_uncharged": 1 if outcome.state is _S.PENDING else 0,
        "b_next": outcome.at + DOUBT_PAUSE if outcome.state is _S.UNKNOWN else outcome.retry_at,
        "b_relay": outcome.relay,
        "b_code": outcome.reply_code,
        "b_enhanced": outcome.enhanced_code,
        "b_text": outcome.reply_text[:500],
        "b_reason": outcome.reason.value if outcome.reason else None,
        "b_sent": outcome.at if outcome.state is _S.SENT else None,
    }


def release(tx: Tx, issue_id: int, *, lease: str) -> int:
    """Give back what this lease holds and has not marked."""
    result = tx.connection.execute(
        update(delivery)
        .where(delivery.c.issue_id == issue_id, delivery.c.lease == lease, delivery.c.state == _S.LEASED.value)
        .values(state=_S.PENDING.value, lease=None, lease_until=None)
    )
    return result.rowcount


def sweep(tx: Tx, issue_id: int, *, on_doubt: OnDoubt, now: datetime) -> dict[str, int]:
    """Move on what time has moved: expired leases, due retries, doubts to be resent. Returns counts by kind.

    A leased row was provably not on the wire and becomes pending; a sending row may have been, and is in doubt.
    """
    lapsed = delivery.c.lease_until < now
    due = delivery.c.next_attempt_at <= now
    moves: dict[str, tuple[ColumnElement[bool], dict[str, Any]]] = {
        "released": (
            and_(delivery.c.state == _S.LEASED.value, lapsed),
            {"state": _S.PENDING.value, "lease": None, "lease_until": None},
        ),
        "doubted": (
            and_(delivery.c.state == _S.SENDING.value, lapsed),
            {"state": _S.UNKNOWN.value, "lease_until": None, "next_attempt_at": now + DOUBT_PAUSE},
        ),
        "retried": (
            and_(delivery.c.state == _S.DEFERRED.value, due),
            {"state": _S.PENDING.value, "lease": None, "next_attempt_at": None},
        ),
    }
    if on_doubt is OnDoubt.RESEND:
        moves["resent"] = (
            and_(delivery.c.state == _S.UNKNOWN.value, due, delivery.c.doubts == 0, _is_sending(now)),
            {"state": _S.PENDING.value, "lease": None, "next_attempt_at": None, "doubts": 1},
        )
    return {
        kind: tx.connection.execute(
            update(delivery).where(delivery.c.issue_id == issue_id, _NOT_DONE, condition).values(**values)
        ).rowcount
        for kind, (condition, values) in moves.items()
    }


def restore(tx: Tx, issue_id: int, *, lease: str, on_wire: Collection[int] | None, now: datetime) -> tuple[int, int]:
    """Give back what a dead worker's lease holds; returns how many were freed and how many are in doubt.

    ``on_wire``: subscribers whose message had begun and was not answered; None when nobody knows (power cut),
    then everything that was being sent is in doubt.
    """
    ours = and_(delivery.c.issue_id == issue_id, delivery.c.lease == lease)
    free = {"state": _S.PENDING.value, "lease": None, "lease_until": None, "next_attempt_at": None}
    freed = tx.connection.execute(
        update(delivery).where(ours, delivery.c.state == _S.LEASED.value).values(**free)
    ).rowcount
    in_doubt = and_(delivery.c.state == _S.UNKNOWN.value, _issue_is_sending())
    being_sent = or_(delivery.c.state == _S.SENDING.value, in_doubt)
    if on_wire is not None:
        unsent = delivery.c.subscriber_id.not_in(list(on_wire))
        freed += tx.connection.execute(
            update(delivery).where(ours, being_sent, unsent).values(**free, attempt=delivery.c.attempt - 1)
        ).rowcount
    doubted = tx.connection.execute(
        update(delivery)
        .where(ours, delivery.c.state == _S.SENDING.value)
        .values(state=_S.UNKNOWN.value, lease_until=None, next_attempt_at=now + DOUBT_PAUSE)
    ).rowcount
    return freed, doubted


def cancel_open(tx: Tx, issue_id: int) -> int:
    """Skip everything not yet on the wire, because the issue was cancelled."""
    states = [_S.PENDING.value, _S.LEASED.value, _S.DEFERRED.value]
    result = tx.connection.execute(
        update(delivery)
        .where(delivery.c.issue_id == issue_id, _NOT_DONE, delivery.c.state.in_(states))
        .values(state=_S.SKIPPED.value, reason=FailReason.CANCELLED.value, lease=None, next_attempt_at=None)
    )
    return result.rowcount


def ready_chunks(tx: Tx, issue_id: int, *, now: datetime) -> list[int]:
    """Chunks with deliveries that could be claimed now."""
    rows = tx.connection.execute(
        select(delivery.c.chunk)
        .distinct()
        .where(
            delivery.c.issue_id == issue_id,
            _NOT_DONE,
            delivery.c.state == _S.PENDING.value,
            delivery.c.due_at <= now,
            or_(delivery.c.next_attempt_at.is_(None), delivery.c.next_attempt_at <= now),
            _is_sending(now),
        )
        .order_by(delivery.c.chunk)
    )
    return list(rows.scalars())


def remains(tx: Tx, issue_id: int, *, on_doubt: OnDoubt) -> bool:
    """Whether work remains: an open delivery, or one in doubt that will be sent once more."""
    waiting: ColumnElement[bool] = delivery.c.state.in_([state.value for state in OPEN])
    if on_doubt is OnDoubt.RESEND:
        waiting = or_(waiting, and_(delivery.c.state == _S.UNKNOWN.value, delivery.c.doubts == 0))
    query = select(exists().where(delivery.c.issue_id == issue_id, _NOT_DONE, waiting))
    return bool(tx.connection.execute(query).scalar_one())


def next_wake(tx: Tx, issue_id: int) -> datetime | None:
    """The earliest instant at which a waiting delivery can be tried again, or None."""
    waits = func.coalesce(delivery.c.next_attempt_at, delivery.c.lease_until)
    earliest: datetime | None = tx.connection.execute(
        select(func.min(waits, type_=delivery.c.next_attempt_at.type)).where(
            delivery.c.issue_id == issue_id,
            _NOT_DONE,
            delivery.c.state.in_([state.value for state in (*OPEN, _S.UNKNOWN)]),
            _issue_is_sending(),
        )
    ).scalar_one()
    return earliest


def tally(tx: Tx, issue_id: int) -> Tally:
    """Deliveries by state, and failures and skips by reason with the relay's code where it gave one."""
    counts = dict.fromkeys(DeliveryState, 0)
    rows = tx.connection.execute(
        select(delivery.c.state, func.count()).where(delivery.c.issue_id == issue_id).group_by(delivery.c.state)
    )
    for state, count in rows:
        counts[DeliveryState(state)] = count
    failures: dict[str, int] = {}
    reasons = tx.connection.execute(
        select(delivery.c.reason, delivery.c.reply_code, delivery.c.enhanced_code, func.count())
        .where(delivery.c.issue_id == issue_id, delivery.c.state.in_([_S.FAILED.value, _S.SKIPPED.value]))
        .group_by(delivery.c.reason, delivery.c.reply_code, delivery.c.enhanced_code)
        .order_by(func.count().desc())
    )
    for reason, code, enhanced, count in reasons:
        label = " ".join(str(part) for part in (reason, code, enhanced) if part)
        failures[label] = failures.get(label, 0) + count
    audience = tx.connection.execute(select(issue.c.audience).where(issue.c.id == issue_id)).scalar_one_or_none()
    return Tally(audience=audience or 0, counts=counts, failures=failures)


def unexplained(tx: Tx, issue_id: int) -> int:
    """Deliveries whose row contradicts its state: sent without a 2xx reply and time, failed without a reason.

    What an operator settled as sent has no such reply; it says so in its reason.
    """
    settled = func.coalesce(delivery.c.reason, "") == FailReason.SETTLED.value
    contradiction = or_(
        and_(delivery.c.state == _S.SENT.value, delivery.c.sent_at.is_(None)),
        and_(
            delivery.c.state == _S.SENT.value,
            ~settled,
            or_(delivery.c.reply_code.is_(None), delivery.c.reply_code >= 300),
        ),
        and_(delivery.c.state.in_([_S.FAILED.value, _S.SKIPPED.value]), delivery.c.reason.is_(None)),
    )
    return int(
        tx.connection.execute(
            select(func.count()).select_from(delivery).where(delivery.c.issue_id == issue_id, contradiction)
        ).scalar_one()
    )


def in_doubt(tx: Tx, issue_id: int) -> list[tuple[int, str]]:
    """(subscriber id, address) of the deliveries whose bytes may or may not have been accepted."""
    rows = tx.connection.execute(
        select(delivery.c.subscriber_id, subscriber.c.email)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(delivery.c.issue_id == issue_id, delivery.c.state == _S.UNKNOWN.value)
        .order_by(delivery.c.subscriber_id)
    )
    return [(key, email) for key, email in rows]
