"""Sources: where articles come from, what their servers told us, and which publication uses them how."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from digest.model.article import Source, SourceKind, SourceLink
from digest.model.errors import AlreadyExists, NotFound
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import publication_source, source, topic


def add(
    tx: Tx,
    kind: SourceKind,
    *,
    url: str,
    title: str,
    now: datetime,
    home_url: str | None = None,
    language: str | None = None,
) -> Source:
    """The source at ``url``, stored if it is new, due at once. ``url`` is an absolute address or path."""
    values = {
        "kind": kind.value,
        "url": url,
        "title": title,
        "home_url": home_url,
        "language": language,
        "next_poll_at": now,
        "created_at": now,
    }
    statement = insert_or_ignore(tx, source).values(values)
    tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["kind", "url"]))
    row = tx.connection.execute(select(source).where(source.c.kind == kind.value, source.c.url == url)).one()
    return _source(row)


def get(tx: Tx, source_id: int) -> Source:
    """A source by key. Raises NotFound."""
    row = tx.connection.execute(select(source).where(source.c.id == source_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no source {source_id}", hint="list them with `digest source list`")
    return _source(row)


def link(tx: Tx, publication_id: int, source_id: int, *, weight: float = 1.0, topic_slug: str | None = None) -> None:
    """Use a source in a publication. Raises AlreadyExists when it does so already, NotFound for an unknown topic."""
    topic_id = _topic_id(tx, publication_id, topic_slug)
    existing = select(publication_source.c.source_id).where(*_link_key(publication_id, source_id))
    if tx.connection.execute(existing).one_or_none() is not None:
        raise _already_linked(source_id)
    values = {"publication_id": publication_id, "source_id": source_id, "weight": weight, "topic_id": topic_id}
    try:
        tx.connection.execute(insert(publication_source).values(values))
    except IntegrityError as error:  # another process was a moment faster
        raise _already_linked(source_id) from error


def set_link(tx: Tx, publication_id: int, source_id: int, *, weight: float, topic_slug: str | None) -> bool:
    """Change how a publication uses a source; false when it does not use it."""
    topic_id = _topic_id(tx, publication_id, topic_slug)
    statement = update(publication_source).where(*_link_key(publication_id, source_id))
    return tx.connection.execute(statement.values(weight=weight, topic_id=topic_id)).rowcount == 1


def unlink(tx: Tx, publication_id: int, source_id: int) -> bool:
    """Stop using a source in a publication; its articles stay in the ledger. False when it was not used."""
    statement = delete(publication_source).where(*_link_key(publication_id, source_id))
    return tx.connection.execute(statement).rowcount == 1


def list_sources(tx: Tx, publication_id: int) -> list[SourceLink]:
    """The sources of a publication, in the order they were added."""
    statement = (
        select(source, publication_source.c.weight, topic.c.slug.label("topic_slug"))
        .join(publication_source, publication_source.c.source_id == source.c.id)
        .outerjoin(topic, topic.c.id == publication_source.c.topic_id)
        .where(publication_source.c.publication_id == publication_id)
        .order_by(source.c.id)
    )
    rows = tx.connection.execute(statement).all()
    return [SourceLink(source=_source(row), weight=row.weight, topic=row.topic_slug) for row in rows]


def due(tx: Tx, publication_id: int, now: datetime) -> list[Source]:
    """Sources of a publication to fetch now: not paused, and their next poll has come; longest waiting first."""
    statement = _of_publication(publication_id).where(source.c.paused.is_(False), source.c.next_poll_at <= now)
    return [_source(row) for row in tx.connection.execute(statement.order_by(source.c.next_poll_at, source.c.id))]


def active(tx: Tx, publication_id: int) -> list[Source]:
    """Every source of a publication that is not paused, due or not."""
    statement = _of_publication(publication_id).where(source.c.paused.is_(False))
    return [_source(row) for row in tx.connection.execute(statement.order_by(source.c.id))]


def set_paused(tx: Tx, source_id: int, paused: bool) -> None:  # noqa: FBT001 - the state itself is the argument
    """Pause or resume fetching. A resumed source keeps its next poll time. Raises NotFound."""
    statement = update(source).where(source.c.id == source_id).values(paused=paused)
    if tx.connection.execute(statement).rowcount == 0:
        get(tx, source_id)


def rename(tx: Tx, source_id: int, title: str) -> None:
    """Set the title readers see. Raises NotFound."""
    if tx.connection.execute(update(source).where(source.c.id == source_id).values(title=title)).rowcount == 0:
        get(tx, source_id)


def record_success(
    tx: Tx,
    source_id: int,
    *,
    at: datetime,
    next_poll_at: datetime,
    etag: str | None,
    last_modified: str | None,
    body_hash: str | None = None,
    item_count: int | None = None,
) -> None:
    """A fetch that worked, changed or not. ``body_hash`` and ``item_count`` stay as they are when None."""
    values: dict[str, Any] = {
        "failures": 0,
        "last_error": None,
        "last_success_at": at,
        "next_poll_at": next_poll_at,
        "etag": etag,
        "last_modified": last_modified,
    }
    if body_hash is not None:
        values["body_hash"] = body_hash
    if item_count is not None:
        values["item_count"] = item_count
    tx.connection.execute(update(source).where(source.c.id == source_id).values(values))


def record_failure(tx: Tx, source_id: int, *, error: str, next_poll_at: datetime) -> None:
    """A fetch that failed, with ``error`` in plain words; validators stay for the next try."""
    statement = update(source).where(source.c.id == source_id)
    tx.connection.execute(statement.values(failures=source.c.failures + 1, last_error=error, next_poll_at=next_poll_at))


def _link_key(publication_id: int, source_id: int) -> tuple[Any, Any]:
    return publication_source.c.publication_id == publication_id, publication_source.c.source_id == source_id


def _of_publication(publication_id: int) -> Select[Any]:
    joined = select(source).join(publication_source, publication_source.c.source_id == source.c.id)
    return joined.where(publication_source.c.publication_id == publication_id)


def _topic_id(tx: Tx, publication_id: int, slug: str | None) -> int | None:
    if slug is None:
        return None
    statement = select(topic.c.id).where(topic.c.publication_id == publication_id, topic.c.slug == slug)
    found: int | None = tx.connection.execute(statement).scalar_one_or_none()
    if found is None:
        of_publication = select(topic.c.slug).where(topic.c.publication_id == publication_id).order_by(topic.c.slug)
        known = tx.connection.execute(of_publication).scalars().all()
        hint = f"known topics: {', '.join(known)}" if known else "this publication has no topics yet"
        raise NotFound(f"there is no topic {slug!r}", hint=hint)
    return found


def _already_linked(source_id: int) -> AlreadyExists:
    return AlreadyExists(
        f"this publication uses source {source_id} already", hint="change it with `digest source set`, or leave it"
    )


def _source(row: Row[Any]) -> Source:
    return Source(
        id=row.id,
        kind=SourceKind(row.kind),
        url=row.url,
        title=row.title,
        home_url=row.home_url,
        language=row.language,
        etag=row.etag,
        last_modified=row.last_modified,
        body_hash=row.body_hash,
        next_poll_at=row.next_poll_at,
        failures=row.failures,
        last_error=row.last_error,
        last_success_at=row.last_success_at,
        item_count=row.item_count,
        paused=row.paused,
    )
