"""Which installation a database belongs to: one row, made with the schema and kept by every copy of it."""

from __future__ import annotations

from sqlalchemy import select

from digest.store.engine import Tx
from digest.store.tables import installation


def identity(tx: Tx) -> str:
    """The installation's id, 32 hex digits: a restored copy has the same, a database made anew has another."""
    found: str = tx.connection.execute(select(installation.c.id)).scalar_one()
    return found
