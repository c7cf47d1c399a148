"""How much may be sent through a relay, counted in the database and so shared by every worker.

A scope (`relay:NAME`) is a token bucket that doubles as a timetable. Tokens fill up at ``per_second`` to ``capacity``;
what is missing to ``capacity`` are places in the timetable that were handed out and have not yet passed. So a grant of
n tokens is n places, one every 1/``per_second``, that no other worker has: the bucket bounds what is reserved ahead,
the places keep several workers together from passing the rate within any one second.

One statement reserves, the same on both databases; the row is its lock. Time is whole microseconds since 1970, by the
database's clock, so that elapsed time is plain arithmetic. A worker that dies loses what it had reserved, which errs
on the careful side and is made good within seconds (the rate) or the next day (the daily quota).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Float, Integer, and_, case, cast, func, literal, or_, update

from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import quota

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Grant(NamedTuple):
    """What a reservation gave.

    ``wait`` in seconds from ``now``: until the first of the granted places (the others follow every
    1/``per_second``); with nothing granted, until asking again makes sense. ``turn`` tells whether anybody has
    reserved since; ``day`` is the UTC day the daily quota was charged to; the places are 1/``per_second`` apart.
    """

    granted: int
    wait: float
    is_day_over: bool
    turn: int
    day: str
    per_second: float | None = None


class Alone(NamedTuple):
    """A higher ``per_second``, for who finds that nobody has reserved since ``turn``."""

    turn: int
    per_second: float


def reserve(
    tx: Tx,
    scope: str,
    *,
    wanted: int,
    per_second: float | None,
    capacity: int,
    daily_quota: int | None,
    now: datetime,
    alone: Alone | None = None,
) -> Grant:
    """Take up to ``wanted`` tokens; ``per_second`` None means no rate, ``daily_quota`` None no limit for the day.

    Over any time t no more than ``capacity`` + ``per_second``·t tokens are granted, and ``daily_quota`` a UTC day.
    """
    if wanted < 1 or capacity < 1:
        raise ValueError("at least one token must be wanted, and fit")
    statement = _reserving(
        tx,
        scope,
        wanted=wanted,
        per_second=per_second,
        capacity=capacity,
        daily_quota=daily_quota,
        now=now,
        alone=alone,
    )
    row = tx.connection.execute(statement).one_or_none()
    if row is None:
        new = {"tokens": float(capacity), "capacity": capacity, "per_second": per_second, "day": "", "used": 0}
        fresh = insert_or_ignore(tx, quota).values(scope=scope, **new, updated_at=_us(now), turn=0, granted=0)
        tx.connection.execute(fresh.on_conflict_do_nothing())
        row = tx.connection.execute(statement).one()
    is_day_over = daily_quota is not None and row.granted == 0 and row.used >= daily_quota
    wait = _wait(row, is_day_over=is_day_over, now=now)
    return Grant(row.granted, wait, is_day_over, row.turn, row.day, row.per_second)


def give_back(tx: Tx, scope: str, *, grant: Grant, unused: int, ahead: int, now: datetime) -> None:
    """Return what a grant left over.

    ``unused``: tokens that sent nothing, off the day's count. ``ahead``: how many of their places lie in the future;
    these can be handed out anew only if nobody has reserved behind them.
    """
    filled = _filled(now, per_second=None, capacity=None)
    returned = case((filled + ahead > quota.c.capacity, cast(quota.c.capacity, Float)), else_=filled + ahead)
    is_last = quota.c.turn == grant.turn
    is_same_day = and_(quota.c.day == grant.day, quota.c.used >= unused)
    tx.connection.execute(
        update(quota)
        .where(quota.c.scope == scope)
        .values(
            tokens=case((is_last, returned), else_=quota.c.tokens),
            updated_at=case((is_last, _latest(now)), else_=quota.c.updated_at),
            used=case((is_same_day, quota.c.used - unused), else_=quota.c.used),
        )
    )


def _reserving(
    tx: Tx,
    scope: str,
    *,
    wanted: int,
    per_second: float | None,
    capacity: int,
    daily_quota: int | None,
    now: datetime,
    alone: Alone | None,
) -> Any:
    day = _day(now)
    used = case((quota.c.day == day, quota.c.used), else_=0)
    filled = _filled(now, per_second=per_second, capacity=capacity)
    granted: Any = literal(wanted)
    if per_second is not None:
        # A cast cuts off on SQLite and rounds on PostgreSQL; floor() is not in every SQLite.
        whole = cast(func.floor(filled) if tx.is_postgres else filled, Integer)
        granted = case((filled < 1, 0), (whole < wanted, whole), else_=wanted)
    if daily_quota is not None:
        left = daily_quota - used
        granted = case((left < 1, 0), (left < granted, left), else_=granted)
    return (
        update(quota)
        .where(quota.c.scope == scope)
        .values(
            tokens=filled - granted if per_second is not None else filled,
            capacity=capacity,
            per_second=per_second
            if alone is None
            else case((quota.c.turn == alone.turn, alone.per_second), else_=per_second),
            updated_at=_latest(now),
            day=day,
            used=used + granted,
            turn=quota.c.turn + 1,
            granted=granted,
        )
        .returning(
            quota.c.tokens,
            quota.c.capacity,
            quota.c.per_second,
            quota.c.updated_at,
            quota.c.day,
            quota.c.used,
            quota.c.turn,
            quota.c.granted,
        )
    )


def _filled(now: datetime, *, per_second: float | None, capacity: int | None) -> Any:
    """The tokens at ``now``. Places handed out stay handed out when a new ``capacity`` is set."""
    elapsed = case((quota.c.updated_at < _us(now), _us(now) - quota.c.updated_at), else_=0)
    rate = func.coalesce(quota.c.per_second, literal(per_second or 0.0, Float))
    grown = literal(capacity) - quota.c.capacity if capacity is not None else 0
    full = cast(literal(capacity), Float) if capacity is not None else cast(quota.c.capacity, Float)
    filled = quota.c.tokens + grown + cast(elapsed, Float) / 1e6 * rate
    no_rate = or_(quota.c.per_second.is_(None), filled > full)
    return case((no_rate, full), else_=filled)


def _latest(now: datetime) -> Any:
    """Never back in time: another worker's transaction may have read the clock later and come first."""
    return case((quota.c.updated_at < _us(now), _us(now)), else_=quota.c.updated_at)


def _wait(row: Any, *, is_day_over: bool, now: datetime) -> float:
    if is_day_over:
        return (midnight_after(now) - now).total_seconds()
    if row.per_second is None:
        return 0.0
    ahead = max(0.0, (row.updated_at - _us(now)) / 1e6)
    if row.granted:
        return float(ahead + max(0.0, row.capacity - row.tokens - row.granted) / row.per_second)
    return float(ahead + max(0.0, 1 - row.tokens) / row.per_second)


def midnight_after(now: datetime) -> datetime:
    """When the next UTC day begins."""
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _day(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%d}"


def _us(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND
