"""How often something was asked for, and what may be used once only. Counted in the database: workers share it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select

from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.reader_tables import asking, spent

_HOUR_S = 3600


def ask(tx: Tx, scope: str, *, hours: int, now: datetime) -> int:
    """Count one more; gives how many those are in the last so many hours, this one included.

    ``scope`` (at most 80 characters) holds a network's prefix or an address's keyed hash, never an address.
    """
    hour = _hour(now)
    statement = insert_or_ignore(tx, asking).values(scope=scope, hour=hour, count=1)
    counted = {"count": asking.c.count + 1}
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["scope", "hour"], set_=counted))
    query = select(func.sum(asking.c.count)).where(asking.c.scope == scope, asking.c.hour > hour - hours)
    return int(tx.connection.execute(query).scalar_one())


def spend(tx: Tx, digest: str, *, until: datetime) -> bool:
    """Use something up; False when it was used before. ``digest``: 64 hex digits that stand for it."""
    statement = insert_or_ignore(tx, spent).values(hash=digest, until=until)
    statement = statement.on_conflict_do_nothing(index_elements=["hash"]).returning(spent.c.hash)
    return tx.connection.execute(statement).one_or_none() is not None


def forget(tx: Tx, *, before: datetime, now: datetime) -> None:
    """Let go of counts before that instant, and of what is refused for its age by now."""
    tx.connection.execute(delete(asking).where(asking.c.hour < _hour(before)))
    tx.connection.execute(delete(spent).where(spent.c.until < now))


def _hour(at: datetime) -> int:
    return int(at.timestamp()) // _HOUR_S
