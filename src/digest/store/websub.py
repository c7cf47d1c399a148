"""Subscriptions at hubs (W3C WebSub): one for a source at most."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, or_, select, update

from digest.model.fetching import WebSub, WebSubState
from digest.store.engine import Tx
from digest.store.fetch_tables import websub
from digest.store.publications import insert_or_ignore
from digest.store.tables import source


def want(
    tx: Tx, source_id: int, *, hub_url: str, topic_url: str, token: str, secret: str, now: datetime
) -> WebSub | None:
    """Note that a source names a hub; a new hub or topic begins anew. None when nothing changed."""
    found = get(tx, source_id)
    if found is not None and (found.hub_url, found.topic_url) == (hub_url, topic_url):
        return None
    if found is not None:
        drop(tx, source_id)
    values = {
        "source_id": source_id,
        "token": token,
        "secret": secret,
        "hub_url": hub_url,
        "topic_url": topic_url,
        "state": WebSubState.WANTED.value,
        "next_try_at": now,
    }
    statement = insert_or_ignore(tx, websub).values(values)
    tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["source_id"]))
    return get(tx, source_id)


def get(tx: Tx, source_id: int) -> WebSub | None:
    """The subscription of a source."""
    row = tx.connection.execute(select(websub).where(websub.c.source_id == source_id)).one_or_none()
    return _websub(row) if row else None


def by_token(tx: Tx, token: str) -> WebSub | None:
    """The subscription whose callback has this token."""
    row = tx.connection.execute(select(websub).where(websub.c.token == token)).one_or_none()
    return _websub(row) if row else None


def due(tx: Tx, *, now: datetime) -> list[WebSub]:
    """Subscriptions whose hubs are to be asked now, of sources that are read."""
    statement = (
        select(websub)
        .join(source, source.c.id == websub.c.source_id)
        .where(websub.c.next_try_at <= now, source.c.paused.is_(False), source.c.gone_at.is_(None))
    )
    return [_websub(row) for row in tx.connection.execute(statement.order_by(websub.c.next_try_at))]


def is_active(tx: Tx, source_id: int, *, now: datetime) -> bool:
    """Whether a hub tells us of news of this source at ``now``; a renewal under way changes nothing of it."""
    statement = select(websub.c.source_id).where(
        websub.c.source_id == source_id,
        or_(websub.c.state == WebSubState.ACTIVE.value, websub.c.state == WebSubState.REQUESTED.value),
        websub.c.lease_until > now,
    )
    return tx.connection.execute(statement).first() is not None


def change(tx: Tx, source_id: int, **values: Any) -> None:
    """Set columns of a subscription."""
    if "state" in values:
        values["state"] = WebSubState(values["state"]).value
    tx.connection.execute(update(websub).where(websub.c.source_id == source_id).values(values))


def drop(tx: Tx, source_id: int) -> None:
    """Forget the subscription of a source."""
    tx.connection.execute(delete(websub).where(websub.c.source_id == source_id))


def _websub(row: Row[Any]) -> WebSub:
    return WebSub(
        source_id=row.source_id,
        token=row.token,
        secret=row.secret,
        hub_url=row.hub_url,
        topic_url=row.topic_url,
        state=WebSubState(row.state),
        next_try_at=row.next_try_at,
        tries=row.tries,
        lease_until=row.lease_until,
        last_delivery_at=row.last_delivery_at,
        detail=row.detail,
    )
