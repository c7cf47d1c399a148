"""Deliveries: claim, mark, record, sweep. The proof that nobody is mailed twice lives here.

Bars against double sending (architecture 2.5): the key (issue, subscriber) makes fan-out repeatable; `claim` hands
each row to one lease; `mark` is committed before the first byte of a row and only for its own lease; `record`
writes only under that lease, so a worker that was presumed dead writes into nothing. Every statement that moves
a row also asks for the state it moves from, and `claim` and `mark` ask that the issue is still sending and the
reader still subscribed and not suppressed, which is how pausing, leaving and bouncing reach every worker.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Exists,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)

from digest.model.delivery import OPEN, DeliveryState, FailReason, Marked, OnDoubt, Outcome, Recipient
from digest.model.issue import IssueState
from digest.model.subscriber import SubscriptionState
from digest.store import endings, fanout, suppressions, wanting
from digest.store import outcomes as outcome_rows
from digest.store.engine import Tx
from digest.store.tables import NOT_DONE, delivery, hindrance, issue, publication, subscriber, subscription

_S = DeliveryState

#: How long an in-doubt delivery waits before it is sent once more, unless said otherwise (mail-standards 2b).
DOUBT_PAUSE = timedelta(minutes=15)


#: Making deliveries has a file of its own.
fan_out = fanout.fan_out
clocks = fanout.clocks
by_clock = fanout.by_clock
zones = fanout.zones


def issue_is_sending() -> Exists:
    """The condition that a delivery's issue is being sent, whether its time is up or not."""
    # Spelled out, so that it can stand in a prepared statement, which has no values of its own.
    return exists().where(issue.c.id == delivery.c.issue_id, issue.c.state == literal_column("'sending'"))


def _is_sending(now: datetime) -> ColumnElement[bool]:
    """Whether the issue is being sent and its time is not up."""
    return issue_is_sending().where(or_(issue.c.expires_at.is_(None), issue.c.expires_at > now))


def is_sending(tx: Tx, issue_id: int, *, now: datetime) -> bool:
    """Whether the issue is being sent and its time is not up."""
    in_time = or_(issue.c.expires_at.is_(None), issue.c.expires_at > now)
    where = (issue.c.id == issue_id, issue.c.state == IssueState.SENDING.value, in_time)
    return bool(tx.connection.execute(select(exists().where(*where))).scalar_one())


def _still_subscribed(*more: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        *more,
        subscription.c.subscriber_id == delivery.c.subscriber_id,
        subscription.c.publication_id == issue.c.publication_id,
        issue.c.id == delivery.c.issue_id,
        subscription.c.state == SubscriptionState.ACTIVE.value,
    )


def _may_be_mailed(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether the reader is still subscribed and wants such issues, and the address is not suppressed meanwhile."""
    its_issue = issue.c.id == delivery.c.issue_id
    is_barred = suppressions.bars(delivery.c.subscriber_id, issue.c.publication_id, its_issue, now=now)
    return and_(_still_subscribed(wanting.still_wants()), ~is_barred)


def skip_departed(tx: Tx, issue_id: int, *, chunk: int) -> int:
    """Skip the waiting deliveries of a chunk whose readers left or were suppressed since fan-out; returns how many."""
    left, chose_otherwise = ~_still_subscribed(), ~_still_subscribed(wanting.still_wants())
    result = tx.connection.execute(
        update(delivery)
        .where(
            delivery.c.issue_id == issue_id,
            delivery.c.chunk == chunk,
            NOT_DONE,
            delivery.c.state.in_([_S.PENDING.value, _S.DEFERRED.value]),
            ~_may_be_mailed(tx.now()),
        )
        .values(
            state=_S.SKIPPED.value,
            reason=case(
                (left, FailReason.UNSUBSCRIBED.value),
                (chose_otherwise, FailReason.PREFERENCES.value),
                else_=FailReason.SUPPRESSED.value,
            ),
            next_attempt_at=None,
        )
    )
    return result.rowcount


def claim(
    tx: Tx, issue_id: int, *, chunk: int, lease: str, lease_for: timedelta, limit: int, now: datetime
) -> list[Recipient]:
    """Lease up to ``limit`` pending deliveries of a chunk to ``lease`` and give all that filling them takes. Bar 4.

    Nothing is claimed unless the issue is sending. Readers who left or are suppressed are never claimed.
    """
    free = (
        select(delivery.c.subscriber_id)
        .where(
            delivery.c.issue_id == issue_id,
            delivery.c.chunk == chunk,
            NOT_DONE,
            delivery.c.state == _S.PENDING.value,
            delivery.c.due_at <= now,
            or_(delivery.c.next_attempt_at.is_(None), delivery.c.next_attempt_at <= now),
            _is_sending(now),
            _may_be_mailed(now),
        )
        .order_by(delivery.c.subscriber_id)
        .limit(limit)
        # Two workers pass by each other's rows on PostgreSQL; SQLite has the write lock and drops this clause.
        .with_for_update(of=delivery, skip_locked=True)
        # A CTE, not a subquery: PostgreSQL may run a subquery again for each row, and so pass the limit.
        .cte("free")
    )
    tx.connection.execute(
        update(delivery)
        .where(
            delivery.c.issue_id == issue_id,
            delivery.c.subscriber_id.in_(select(free.c.subscriber_id)),
            delivery.c.state == _S.PENDING.value,
        )
        .values(state=_S.LEASED.value, lease=lease, lease_until=now + lease_for, next_attempt_at=None)
    )
    rows = tx.connection.execute(_RECIPIENTS, {"b_issue": issue_id, "b_chunk": chunk, "b_lease": lease})
    return [Recipient(issue_id, *row) for row in rows]


# In the order of the fields of `Recipient`.
_RECIPIENTS = (
    select(
        delivery.c.subscriber_id,
        delivery.c.rendition_id,
        delivery.c.attempt,
        delivery.c.first_attempt_at,
        subscriber.c.email,
        subscriber.c.name,
        func.coalesce(subscriber.c.locale, publication.c.locale),
        subscription.c.token_id,
        func.coalesce(subscription.c.consent_at, subscription.c.created_at),
        exists().where(hindrance.c.subscriber_id == delivery.c.subscriber_id),
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
    .where(
        delivery.c.issue_id == bindparam("b_issue"),
        # The chunk and what is open lead to the index; by its lease alone a row is only found by reading all.
        delivery.c.chunk == bindparam("b_chunk"),
        NOT_DONE,
        delivery.c.lease == bindparam("b_lease"),
        delivery.c.state == _S.LEASED.value,
    )
    .order_by(delivery.c.subscriber_id)
)


def mark(tx: Tx, issue_id: int, *, lease: str, subscriber_ids: Sequence[int], now: datetime) -> list[Marked]:
    """Declare, before the first byte, that these deliveries may be on the wire from now on.

    ``subscriber_ids`` follow each other among those the lease holds. Gives those that may be sent: still ours, the
    issue still sending, the reader still to be mailed. The caller must commit before it writes to a socket.
    """
    values = {"b_issue": issue_id, "b_lease": lease, "b_first": subscriber_ids[0], "b_last": subscriber_ids[-1]}
    rows = tx.connection.execute(_MARK, values | {"b_now": now})
    return sorted((Marked(*row) for row in rows), key=lambda marked: marked.subscriber_id)


_MARK_NOW = bindparam("b_now", type_=delivery.c.first_attempt_at.type)
_MARK = (
    update(delivery)
    .where(
        delivery.c.issue_id == bindparam("b_issue"),
        delivery.c.subscriber_id.between(bindparam("b_first"), bindparam("b_last")),
        # In disguise, so that the key leads to these rows and no index to all that is leased or open.
        func.coalesce(delivery.c.lease, "") == bindparam("b_lease"),
        func.coalesce(delivery.c.state, "") == _S.LEASED.value,
        issue_is_sending().where(or_(issue.c.expires_at.is_(None), issue.c.expires_at > _MARK_NOW)),
        _may_be_mailed(_MARK_NOW),
    )
    .values(
        state=_S.SENDING.value,
        attempt=delivery.c.attempt + 1,
        first_attempt_at=func.coalesce(delivery.c.first_attempt_at, _MARK_NOW),
    )
    .returning(delivery.c.subscriber_id, delivery.c.attempt, delivery.c.first_attempt_at)
)


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
    Once the issue has ended, a late "not sent" opens nothing again, nobody would send it any more: the attempt was
    the last, and its delivery is skipped. An attempt that goes back to ``pending`` was not the message's fault and is
    not counted.
    """
    if not outcomes:
        return 0
    some_wait = any(outcome.state in OPEN for outcome in outcomes)
    end = endings.ended(tx, issue_id) if some_wait else None
    rows = [_row(lease, outcome, has_ended=end is not None) for outcome in outcomes]
    written = outcome_rows.write(tx, issue_id, lease=lease, rows=rows)
    if end is not None:
        endings.give_up(tx, issue_id, reason=end)
    return written


def _row(lease: str, outcome: Outcome, *, has_ended: bool) -> dict[str, Any]:
    pause = DOUBT_PAUSE if outcome.state is _S.UNKNOWN else None
    return {
        "subscriber_id": outcome.subscriber_id,
        "settles": int(not (has_ended and outcome.state in OPEN)),
        "state": outcome.state.value,
        "uncharged": 1 if outcome.state is _S.PENDING else 0,
        "next_attempt_at": outcome.retry_at or (pause and outcome.at + pause),
        "kept": lease if outcome.state is _S.UNKNOWN else None,
        "relay": outcome.relay,
        "reply_code": outcome.reply_code,
        "enhanced_code": outcome.enhanced_code,
        "reply_text": outcome.reply_text[:500],
        "reason": outcome.reason.value if outcome.reason else None,
        "sent_at": outcome.at if outcome.state is _S.SENT else None,
    }


def readdress(tx: Tx, issue_id: int, *, old: int, new: int | None) -> int:
    """Give whoever waits for a rendition and was never sent it another one; returns how many those are.

    None: the issue holds nothing for them any more. Who may have got the old one already keeps it, byte for byte.
    """
    values: dict[str, Any] = {"rendition_id": new}
    if new is None:
        values |= {"state": _S.SKIPPED.value, "reason": FailReason.NO_MATCHING_NEWS.value, "next_attempt_at": None}
    result = tx.connection.execute(
        update(delivery)
        .where(
            delivery.c.issue_id == issue_id,
            NOT_DONE,
            delivery.c.state.in_([_S.PENDING.value, _S.DEFERRED.value]),
            delivery.c.rendition_id == old,
            delivery.c.doubts == 0,
        )
        .values(**values)
    )
    return result.rowcount


def release(tx: Tx, issue_id: int, *, lease: str) -> int:
    """Give back what this lease holds and has not marked."""
    result = tx.connection.execute(
        update(delivery)
        .where(delivery.c.issue_id == issue_id, delivery.c.lease == lease, delivery.c.state == _S.LEASED.value)
        .values(state=_S.PENDING.value, lease=None, lease_until=None)
    )
    return result.rowcount


def sweep(
    tx: Tx, issue_id: int, *, on_doubt: OnDoubt, now: datetime, doubt_pause: timedelta = DOUBT_PAUSE
) -> dict[str, int]:
    """Move on what time has moved: expired leases, due retries, doubts to be resent. Returns counts by kind.

    A leased row was provably not on the wire and becomes pending; a sending row may have been, and is in doubt.
    What waits in an issue that has ended is given up.
    """
    end = endings.ended(tx, issue_id)
    lapsed = delivery.c.lease_until < now
    due = delivery.c.next_attempt_at <= now
    moves: dict[str, tuple[ColumnElement[bool], dict[str, Any]]] = {
        "released": (
            and_(delivery.c.state == _S.LEASED.value, lapsed),
            {"state": _S.PENDING.value, "lease": None, "lease_until": None},
        ),
        "doubted": (
            and_(delivery.c.state == _S.SENDING.value, lapsed),
            {"state": _S.UNKNOWN.value, "lease_until": None, "next_attempt_at": now + doubt_pause},
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
    counts = {
        kind: tx.connection.execute(
            update(delivery).where(delivery.c.issue_id == issue_id, NOT_DONE, condition).values(**values)
        ).rowcount
        for kind, (condition, values) in moves.items()
    }
    if end is not None:
        counts["given_up"] = endings.give_up(tx, issue_id, reason=end)
    return counts


def restore(
    tx: Tx,
    issue_id: int,
    *,
    lease: str,
    on_wire: Collection[int] | None,
    now: datetime,
    doubt_pause: timedelta = DOUBT_PAUSE,
) -> tuple[int, int]:
    """Give back what a dead worker's lease holds; returns how many were freed and how many are in doubt.

    ``on_wire``: subscribers whose message had begun and was not answered; None when nobody knows (power cut),
    then everything that was being sent is in doubt. What is freed in an issue that has ended is given up.
    """
    end = endings.ended(tx, issue_id)
    ours = and_(delivery.c.issue_id == issue_id, delivery.c.lease == lease)
    free = {"state": _S.PENDING.value, "lease": None, "lease_until": None, "next_attempt_at": None}
    freed = tx.connection.execute(
        update(delivery).where(ours, delivery.c.state == _S.LEASED.value).values(**free)
    ).rowcount
    # In an issue that has ended a doubt stays one: nobody would send it any more.
    being_sent = delivery.c.state.in_([_S.SENDING.value] if end else [_S.SENDING.value, _S.UNKNOWN.value])
    if on_wire is not None:
        unsent = delivery.c.subscriber_id.not_in(list(on_wire))
        freed += tx.connection.execute(
            update(delivery).where(ours, being_sent, unsent).values(**free, attempt=delivery.c.attempt - 1)
        ).rowcount
    doubted = tx.connection.execute(
        update(delivery)
        .where(ours, delivery.c.state == _S.SENDING.value)
        .values(state=_S.UNKNOWN.value, lease_until=None, next_attempt_at=now + doubt_pause)
    ).rowcount
    if end is not None:
        endings.give_up(tx, issue_id, reason=end)
    return freed, doubted


def ready_chunks(tx: Tx, issue_id: int, *, now: datetime) -> list[int]:
    """Chunks with deliveries that could be claimed now."""
    rows = tx.connection.execute(
        select(delivery.c.chunk)
        .distinct()
        .where(
            delivery.c.issue_id == issue_id,
            NOT_DONE,
            delivery.c.state == _S.PENDING.value,
            delivery.c.due_at <= now,
            or_(delivery.c.next_attempt_at.is_(None), delivery.c.next_attempt_at <= now),
            _is_sending(now),
        )
        .order_by(delivery.c.chunk)
    )
    return list(rows.scalars())
