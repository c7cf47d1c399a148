"""What happened, append-only: every event has a key, so that telling it twice stores it once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from digest.model.event import EventKind
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import event, publication


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to store. ``dedupe_key`` (at most 64 characters) names the happening, not the report of it."""

    dedupe_key: str
    kind: EventKind
    at: datetime
    publication_id: int | None = None
    issue_id: int | None = None
    subscriber_id: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event."""

    kind: EventKind
    at: datetime
    publication_slug: str | None
    issue_id: int | None
    detail: str


def append(
    tx: Tx,
    kind: EventKind,
    *,
    dedupe_key: str,
    at: datetime,
    publication_id: int | None = None,
    issue_id: int | None = None,
    subscriber_id: int | None = None,
    detail: str = "",
) -> bool:
    """Store an event; False when one with that key is there already."""
    new = NewEvent(
        dedupe_key=dedupe_key,
        kind=kind,
        at=at,
        publication_id=publication_id,
        issue_id=issue_id,
        subscriber_id=subscriber_id,
        detail=detail,
    )
    statement = insert_or_ignore(tx, event).values(**_row(new)).on_conflict_do_nothing(index_elements=["dedupe_key"])
    return tx.connection.execute(statement.returning(event.c.id)).one_or_none() is not None


def append_many(tx: Tx, new: Sequence[NewEvent]) -> None:
    """Store events; those whose keys are there already are left as they are."""
    if new:
        statement = insert_or_ignore(tx, event).on_conflict_do_nothing(index_elements=["dedupe_key"])
        tx.connection.execute(statement, [_row(item) for item in new])


def of_subscriber(tx: Tx, subscriber_id: int, *, limit: int) -> list[Event]:
    """The latest events of a subscriber, newest first."""
    query = (
        select(event.c.kind, event.c.at, publication.c.slug, event.c.issue_id, event.c.detail)
        .outerjoin(publication, publication.c.id == event.c.publication_id)
        .where(event.c.subscriber_id == subscriber_id)
        .order_by(event.c.at.desc(), event.c.id.desc())
        .limit(limit)
    )
    return [Event(EventKind(kind), *rest) for kind, *rest in tx.connection.execute(query)]


def _row(new: NewEvent) -> dict[str, object]:
    return {
        "dedupe_key": new.dedupe_key,
        "kind": new.kind.value,
        "at": new.at,
        "publication_id": new.publication_id,
        "issue_id": new.issue_id,
        "subscriber_id": new.subscriber_id,
        "detail": new.detail,
    }
