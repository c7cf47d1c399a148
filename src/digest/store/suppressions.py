"""Addresses that must not be mailed, by a keyed hash, so that they stay known when their reader is erased.

A row bars a reader through `subscriber_id`; that is what `deliveries` asks when it fans out, claims and marks. Who
has no row among the readers yet may come to have one: `adopt` finds them before each fan-out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, String, cast, delete, exists, func, literal, or_, select, update

from digest.model.mailbox import Suppression, SuppressReason
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import subscriber, suppression

EVERYWHERE = "all"
_PAGE = 10_000


def scope_of(publication_id: int | None) -> str:
    """The scope of one publication, or of all for None."""
    return EVERYWHERE if publication_id is None else f"publication:{publication_id}"


def bars(
    subscriber_id: ColumnElement[Any],
    publication_id: ColumnElement[Any],
    *where: ColumnElement[bool],
    now: datetime | ColumnElement[datetime],
) -> ColumnElement[bool]:
    """Whether a reader is suppressed for a publication, as a condition; ``where`` leads to the publication."""
    own = literal("publication:") + cast(publication_id, String)
    return exists().where(
        suppression.c.subscriber_id == subscriber_id,
        *where,
        or_(suppression.c.scope == EVERYWHERE, suppression.c.scope == own),
        or_(suppression.c.until.is_(None), suppression.c.until > now),
    )


def suppress(
    tx: Tx,
    email_hash: str,
    *,
    scope: str = EVERYWHERE,
    subscriber_id: int | None,
    reason: SuppressReason,
    detail: str,
    until: datetime | None = None,
    now: datetime,
) -> bool:
    """Bar an address; False where it is barred for as long already. ``detail`` must not name the address."""
    key = (suppression.c.email_hash == email_hash, suppression.c.scope == scope)
    stands: ColumnElement[bool] = suppression.c.until.is_(None)
    if until is not None:
        stands = or_(stands, suppression.c.until >= until)
    if tx.connection.execute(select(exists().where(*key, stands))).scalar_one():
        return False
    values = {
        "subscriber_id": subscriber_id,
        "compared_to": _latest(tx),
        "reason": reason.value,
        "detail": detail,
        "created_at": now,
        "until": until,
    }
    statement = insert_or_ignore(tx, suppression).values(email_hash=email_hash, scope=scope, **values)
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["email_hash", "scope"], set_=values))
    return True


def lift(tx: Tx, email_hash: str, *, scope: str | None = None) -> int:
    """Let an address be mailed again, in one scope or in all; returns how many rows that took away."""
    where = [suppression.c.email_hash == email_hash]
    if scope is not None:
        where.append(suppression.c.scope == scope)
    return tx.connection.execute(delete(suppression).where(*where)).rowcount


def lift_bounced(tx: Tx, subscriber_ids: Select[tuple[int]]) -> int:
    """Let the readers that a query gives be mailed again, where what the relay said had put an end to it."""
    return tx.connection.execute(
        delete(suppression).where(
            suppression.c.subscriber_id.in_(subscriber_ids),
            suppression.c.reason == SuppressReason.BOUNCED.value,
        )
    ).rowcount


def of_address(tx: Tx, email_hash: str, *, now: datetime) -> list[Suppression]:
    """What bars an address now."""
    query = (
        select(suppression)
        .where(suppression.c.email_hash == email_hash, or_(suppression.c.until.is_(None), suppression.c.until > now))
        .order_by(suppression.c.scope)
    )
    return [
        Suppression(row.scope, SuppressReason(row.reason), row.detail, row.created_at, row.until)
        for row in tx.connection.execute(query)
    ]


def adopt(tx: Tx, hash_of: Callable[[str], str]) -> int:
    """Find readers who came with an address that was suppressed before; returns how many. Costs nothing if none was.

    Only readers that no row without a reader has been compared with are looked at: about 1.5 µs each.
    """
    homeless = tx.connection.execute(
        select(suppression.c.email_hash, func.min(suppression.c.compared_to))
        .where(suppression.c.subscriber_id.is_(None))
        .group_by(suppression.c.email_hash)
    ).all()
    if not homeless:
        return 0
    wanted = {email_hash for email_hash, _ in homeless}
    after, found = min(compared_to for _, compared_to in homeless), 0
    newest = _latest(tx)
    while rows := _readers_after(tx, after):
        for key, norm in rows:
            if (email_hash := hash_of(norm)) in wanted:
                found += 1
                own = suppression.c.email_hash == email_hash
                tx.connection.execute(update(suppression).where(own).values(subscriber_id=key))
        after = rows[-1][0]
    unowned = suppression.c.subscriber_id.is_(None)
    tx.connection.execute(update(suppression).where(unowned).values(compared_to=newest))
    return found


def leave_homeless(tx: Tx, subscriber_id: int) -> None:
    """Let what bars a reader stand without them: they go, or have another address. It is compared anew."""
    mine = suppression.c.subscriber_id == subscriber_id
    tx.connection.execute(update(suppression).where(mine).values(subscriber_id=None, compared_to=_latest(tx)))


def note_removal(tx: Tx) -> None:
    """To be called when readers were deleted: their keys may be given to others, who have not been compared yet."""
    newest = _latest(tx)
    ahead = (suppression.c.subscriber_id.is_(None), suppression.c.compared_to > newest)
    tx.connection.execute(update(suppression).where(*ahead).values(compared_to=newest))


def lift_all(tx: Tx, email_hash: str, *, reasons: Collection[SuppressReason]) -> int:
    """Let an address be mailed again where it was barred for one of these reasons; returns how many rows that took."""
    named = suppression.c.reason.in_([reason.value for reason in reasons])
    return tx.connection.execute(delete(suppression).where(suppression.c.email_hash == email_hash, named)).rowcount


def bars_address(tx: Tx, email_hash: str, *, publication_id: int, now: datetime) -> set[SuppressReason]:
    """Why an address must not be mailed for a publication; empty where it may."""
    scopes = {EVERYWHERE, scope_of(publication_id)}
    return {item.reason for item in of_address(tx, email_hash, now=now) if item.scope in scopes}


def _readers_after(tx: Tx, key: int) -> list[tuple[int, str]]:
    query = select(subscriber.c.id, subscriber.c.email_norm).where(subscriber.c.id > key)
    return [(row.id, row.email_norm) for row in tx.connection.execute(query.order_by(subscriber.c.id).limit(_PAGE))]


def _latest(tx: Tx) -> int:
    """The newest reader's key; 0 where there is none."""
    return int(tx.connection.execute(select(func.coalesce(func.max(subscriber.c.id), 0))).scalar_one())
