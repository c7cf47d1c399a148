"""Chunks that want a worker. A chunk is a number on deliveries; nothing about it is stored apart from them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, text

from digest.store import deliveries
from digest.store.engine import Tx
from digest.store.tables import delivery

#: First half of the key under which sweeps keep out of each other's way; the issue is the other half.
_SWEEP_LOCK = 0x6469_6765


def may_sweep(tx: Tx, issue_id: int) -> bool:
    """Whether nobody else is sweeping this issue right now; until this transaction ends nobody will.

    Saves work and deadlocks only: a sweep may run any number of times.
    """
    if not tx.is_postgres:
        return True  # the write lock has seen to it
    return bool(tx.connection.execute(select(func.pg_try_advisory_xact_lock(_SWEEP_LOCK, issue_id))).scalar_one())


def idle_chunks(tx: Tx, issue_id: int, *, now: datetime) -> list[int]:
    """Chunks with deliveries that could be claimed now and nobody at work on them (no live lease)."""
    busy = set(
        tx.connection.execute(
            select(delivery.c.chunk)
            .distinct()
            .where(
                delivery.c.issue_id == issue_id,
                text("delivery.state IN ('leased', 'sending')"),
                delivery.c.lease_until >= now,
            )
        ).scalars()
    )
    return [chunk for chunk in deliveries.ready_chunks(tx, issue_id, now=now) if chunk not in busy]
