"""What hosts told us: their robots.txt, and until when they want to be left alone."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select

from digest.model.fetching import HostRecord
from digest.store.engine import Tx
from digest.store.fetch_tables import host
from digest.store.publications import insert_or_ignore


def get(tx: Tx, name: str) -> HostRecord:
    """What is known of a host; an empty record when nothing is. ``name`` is host:port."""
    row = tx.connection.execute(select(host).where(host.c.name == name)).one_or_none()
    if row is None:
        return HostRecord(name)
    return HostRecord(name, row.refusals, row.held_until, row.robots, row.robots_status, row.robots_until)


def put(tx: Tx, record: HostRecord) -> None:
    """Keep a record, in place of the one before."""
    values = asdict(record)
    statement = insert_or_ignore(tx, host).values(values)
    fresh = {name: value for name, value in values.items() if name != "name"}
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=fresh))


def held(tx: Tx, *, now: datetime) -> dict[str, datetime]:
    """Hosts that want to be left alone at ``now``, and until when."""
    rows = tx.connection.execute(select(host.c.name, host.c.held_until).where(host.c.held_until > now))
    return {row.name: row.held_until for row in rows}
