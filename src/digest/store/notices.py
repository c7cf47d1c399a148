"""Notices: enqueue, claim, mark, record, sweep. The same bars as for deliveries, and the same reasons.

`enqueue` belongs into the transaction that makes the notice necessary, so a notice exists exactly when its cause does.
A row is handed to one lease, marked before its first byte, and its outcome is written only under that lease. A doubt
is resent once, the very same bytes: two mails with one link harm less than none. What is over is kept for a while,
so that a dedupe key holds, and then deleted with the address and the text in it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, func, literal, or_, select, text, update

from digest.model.delivery import DeliveryState, FailReason, Marked, Outcome
from digest.model.notice import NewNotice, Notice, NoticeKind, NoticeStatus
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import notice, subscriber

_S = DeliveryState

#: How long a notice in doubt waits before it is sent once more: somebody is waiting for it.
DOUBT_PAUSE = timedelta(minutes=2)
#: How long a notice that is over is kept.
KEEP = timedelta(days=30)

#: The condition of `ix_notice_open` in its own words, as in `store.deliveries`.
_NOT_DONE = text("notice.state IN ('pending', 'leased', 'sending', 'deferred', 'unknown')")
_FREE: dict[str, Any] = {"lease": None, "lease_until": None, "next_attempt_at": None}


def enqueue(tx: Tx, new: NewNotice, *, now: datetime) -> int | None:
    """Store a notice to be sent and give its id; None when its dedupe key is there already."""
    owner: Any = new.subscriber_id
    if owner is None:
        owner = select(subscriber.c.id).where(subscriber.c.email_norm == new.email_norm).scalar_subquery()
    made: int | None = tx.connection.execute(
        insert_or_ignore(tx, notice)
        .values(
            dedupe_key=new.dedupe_key,
            kind=new.kind.value,
            publication_id=new.publication_id,
            subscriber_id=owner,
            email=new.email,
            language=new.language,
            subject=new.subject,
            text=new.text,
            html=new.html,
            created_at=now,
            expires_at=now + new.expire_after,
            state=_S.PENDING.value,
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(notice.c.id)
    ).scalar_one_or_none()
    return made


def claim(tx: Tx, *, lease: str, lease_for: timedelta, limit: int, now: datetime) -> list[Notice]:
    """Lease up to ``limit`` notices that can be sent now, oldest first."""
    free = (
        select(notice.c.id)
        .where(_NOT_DONE, _is_ready(now))
        .order_by(notice.c.id)
        .limit(limit)
        .with_for_update(of=notice, skip_locked=True)
        .cte("free")
    )
    rows = tx.connection.execute(
        update(notice)
        .where(notice.c.id.in_(select(free.c.id)), notice.c.state == _S.PENDING.value)
        .values(state=_S.LEASED.value, lease=lease, lease_until=now + lease_for, next_attempt_at=None)
        .returning(
            notice.c.id,
            notice.c.kind,
            notice.c.dedupe_key,
            notice.c.publication_id,
            notice.c.email,
            notice.c.language,
            notice.c.subject,
            notice.c.text,
            notice.c.html,
            notice.c.expires_at,
        )
    )
    claimed = [Notice(**{**row._asdict(), "kind": NoticeKind(row.kind)}) for row in rows]
    return sorted(claimed, key=lambda one: one.id)


def mark(tx: Tx, ids: Collection[int], *, lease: str, lease_for: timedelta, now: datetime) -> list[Marked]:
    """Declare, before the first byte, that these notices may be on the wire; gives those that are still ours.

    The caller must commit before it writes to a socket.
    """
    rows = tx.connection.execute(
        update(notice)
        .where(notice.c.id.in_(list(ids)), notice.c.lease == lease, notice.c.state == _S.LEASED.value)
        .values(
            state=_S.SENDING.value,
            lease_until=now + lease_for,
            attempt=notice.c.attempt + 1,
            first_attempt_at=func.coalesce(notice.c.first_attempt_at, literal(now, notice.c.first_attempt_at.type)),
        )
        .returning(notice.c.id, notice.c.attempt, notice.c.first_attempt_at)
    )
    return sorted((Marked(*row) for row in rows), key=lambda marked: marked.subscriber_id)


def renew(tx: Tx, *, lease: str, lease_for: timedelta, now: datetime) -> int:
    """Keep everything this lease still holds for another ``lease_for``; returns how many that are."""
    return tx.connection.execute(
        update(notice)
        .where(_NOT_DONE, notice.c.lease == lease, notice.c.state.in_([_S.LEASED.value, _S.SENDING.value]))
        .values(lease_until=now + lease_for)
    ).rowcount


def record(tx: Tx, *, lease: str, outcomes: Sequence[Outcome]) -> int:
    """Write what became of attempts, under our lease only; returns how many were still ours.

    An outcome's ``subscriber_id`` is the notice's id here. As for deliveries, a late but definite reply settles a
    doubt, and an attempt that goes back to pending was not the message's fault and is not counted.
    """
    if not outcomes:
        return 0
    statement = (
        update(notice)
        .where(
            notice.c.id == bindparam("b_id"),
            notice.c.lease == bindparam("b_lease"),
            or_(notice.c.state == _S.SENDING.value, notice.c.state == _S.UNKNOWN.value),
        )
        .values(
            state=bindparam("b_state"),
            attempt=notice.c.attempt - bindparam("b_uncharged"),
            next_attempt_at=bindparam("b_next", type_=notice.c.next_attempt_at.type),
            lease=bindparam("b_kept"),
            lease_until=None,
            relay=bindparam("b_relay"),
            reply_code=bindparam("b_code"),
            enhanced_code=bindparam("b_enhanced"),
            reply_text=bindparam("b_text"),
            reason=bindparam("b_reason"),
            sent_at=bindparam("b_sent", type_=notice.c.sent_at.type),
        )
    )
    return tx.connection.execute(statement, [_row(lease, outcome) for outcome in outcomes]).rowcount


def _row(lease: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "b_id": outcome.subscriber_id,
        "b_lease": lease,
        "b_kept": lease if outcome.state is _S.UNKNOWN else None,
        "b_state": outcome.state.value,
        "b_uncharged": 1 if outcome.state is _S.PENDING else 0,
        "b_next": outcome.at + DOUBT_PAUSE if outcome.state is _S.UNKNOWN else outcome.retry_at,
        "b_relay": outcome.relay,
        "b_code": outcome.reply_code,
        "b_enhanced": outcome.enhanced_code,
        "b_text": outcome.reply_text[:500],
        "b_reason": outcome.reason.value if outcome.reason else None,
        "b_sent": outcome.at if outcome.state is _S.SENT else None,
    }


def release(tx: Tx, *, lease: str) -> int:
    """Give back what this lease holds and has not marked."""
    return tx.connection.execute(
        update(notice)
        .where(_NOT_DONE, notice.c.lease == lease, notice.c.state == _S.LEASED.value)
        .values(state=_S.PENDING.value, lease=None, lease_until=None)
    ).rowcount


def restore(tx: Tx, *, lease: str, on_wire: Collection[int] | None, now: datetime) -> tuple[int, int]:
    """Give back what a dead worker's lease holds; see `deliveries.restore`."""
    ours = and_(_NOT_DONE, notice.c.lease == lease)
    freed = release(tx, lease=lease)
    if on_wire is not None:
        being_sent = notice.c.state.in_([_S.SENDING.value, _S.UNKNOWN.value])
        freed += tx.connection.execute(
            update(notice)
            .where(ours, being_sent, notice.c.id.not_in(list(on_wire)))
            .values(state=_S.PENDING.value, attempt=notice.c.attempt - 1, **_FREE)
        ).rowcount
    doubted = tx.connection.execute(
        update(notice)
        .where(ours, notice.c.state == _S.SENDING.value)
        .values(state=_S.UNKNOWN.value, lease_until=None, next_attempt_at=now + DOUBT_PAUSE)
    ).rowcount
    return freed, doubted


def wants_work(tx: Tx, *, now: datetime) -> bool:
    """Whether a notice can be sent now, or the sweep would move one on. One look at the open ones."""
    moves = [condition for condition, _ in _moves(now).values()]
    return bool(tx.connection.execute(select(exists().where(_NOT_DONE, or_(_is_ready(now), *moves)))).scalar_one())


def sweep(tx: Tx, *, now: datetime) -> dict[str, int]:
    """Move on what time has moved: lapsed leases, due retries, doubts to be resent, what has expired."""
    return {
        kind: tx.connection.execute(update(notice).where(_NOT_DONE, condition).values(**values)).rowcount
        for kind, (condition, values) in _moves(now).items()
    }


def purge(tx: Tx, *, now: datetime) -> int:
    """Delete what was over long ago; returns how many."""
    return tx.connection.execute(delete(notice).where(_is_old(now))).rowcount


def has_old(tx: Tx, *, now: datetime) -> bool:
    """Whether `purge` would delete anything."""
    return bool(tx.connection.execute(select(exists().where(_is_old(now)))).scalar_one())


def status(tx: Tx, notice_id: int) -> NoticeStatus | None:
    """How far a notice has come; None when it is there no more."""
    row = tx.connection.execute(
        select(
            notice.c.id,
            notice.c.state,
            notice.c.attempt,
            notice.c.next_attempt_at,
            notice.c.relay,
            notice.c.reply_code,
            notice.c.enhanced_code,
            notice.c.reply_text,
            notice.c.reason,
            notice.c.sent_at,
        ).where(notice.c.id == notice_id)
    ).one_or_none()
    if row is None:
        return None
    reason = FailReason(row.reason) if row.reason else None
    return NoticeStatus(**{**row._asdict(), "state": DeliveryState(row.state), "reason": reason})


def _is_ready(now: datetime) -> ColumnElement[bool]:
    return and_(
        notice.c.state == _S.PENDING.value,
        notice.c.expires_at > now,
        or_(notice.c.next_attempt_at.is_(None), notice.c.next_attempt_at <= now),
    )


def _is_old(now: datetime) -> ColumnElement[bool]:
    # By then whatever is open has expired; what stayed in doubt goes, too.
    return notice.c.created_at < now - KEEP


def _moves(now: datetime) -> dict[str, tuple[ColumnElement[bool], dict[str, Any]]]:
    lapsed = notice.c.lease_until < now
    due = and_(notice.c.next_attempt_at <= now, notice.c.expires_at > now)
    waits = notice.c.state.in_([_S.PENDING.value, _S.DEFERRED.value])
    return {
        "released": (
            and_(notice.c.state == _S.LEASED.value, lapsed),
            {"state": _S.PENDING.value, "lease": None, "lease_until": None},
        ),
        "doubted": (
            and_(notice.c.state == _S.SENDING.value, lapsed),
            {"state": _S.UNKNOWN.value, "lease_until": None, "next_attempt_at": now + DOUBT_PAUSE},
        ),
        "retried": (
            and_(notice.c.state == _S.DEFERRED.value, due),
            {"state": _S.PENDING.value, "lease": None, "next_attempt_at": None},
        ),
        "resent": (
            and_(notice.c.state == _S.UNKNOWN.value, due, notice.c.doubts == 0),
            {"state": _S.PENDING.value, "lease": None, "next_attempt_at": None, "doubts": 1},
        ),
        # A doubt that waits to be resent may have arrived: it stays a doubt, and says so.
        "left": (
            and_(waits, notice.c.doubts > 0, notice.c.expires_at <= now),
            {"state": _S.UNKNOWN.value, **_FREE},
        ),
        "expired": (
            and_(waits, notice.c.doubts == 0, notice.c.expires_at <= now),
            {"state": _S.FAILED.value, "reason": FailReason.EXPIRED.value, **_FREE},
        ),
    }


def of_subscriber(tx: Tx, subscriber_id: int) -> list[dict[str, object]]:
    """What was or is to be mailed to a reader beside issues: kind, subject, text, state, when."""
    columns = (notice.c.kind, notice.c.subject, notice.c.text, notice.c.state, notice.c.created_at, notice.c.sent_at)
    query = select(*columns).where(notice.c.subscriber_id == subscriber_id).order_by(notice.c.id)
    return [row._asdict() for row in tx.connection.execute(query)]
