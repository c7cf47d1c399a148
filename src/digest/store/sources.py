"""Sources: where articles come from, what their servers told us, and which publication uses them how."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, delete, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from digest.model.article import Child, Source, SourceKind, SourceLink
from digest.model.errors import AlreadyExists, NotFound
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.tables import article, publication_source, sighting, source, topic
from digest.store.types import Instant


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


def by_url(tx: Tx, url: str) -> Source | None:
    """A source on the web at an address, of whatever kind."""
    statement = select(source).where(source.c.url == url).order_by(source.c.id)
    row = tx.connection.execute(statement).first()
    return _source(row) if row else None


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
    """Sources of a publication to fetch now, longest waiting first.

    Not paused, not gone, their next poll has come and their servers do not ask to be left alone.
    """
    statement = _of_publication(publication_id).where(
        *_is_asked(),
        source.c.next_poll_at <= now,
        or_(source.c.not_before.is_(None), source.c.not_before <= now),
    )
    return [_source(row) for row in tx.connection.execute(statement.order_by(source.c.next_poll_at, source.c.id))]


def active(tx: Tx, publication_id: int) -> list[Source]:
    """Every source of a publication that is neither paused nor gone, due or not; nobody asks where articles are put."""
    statement = _of_publication(publication_id).where(*_is_asked())
    return [_source(row) for row in tx.connection.execute(statement.order_by(source.c.id))]


def _is_asked() -> tuple[ColumnElement[bool], ...]:
    return source.c.paused.is_(False), source.c.gone_at.is_(None), source.c.kind != SourceKind.PUSH.value


def in_use(tx: Tx) -> list[Source]:
    """Every source that some publication uses, by key."""
    used = select(publication_source.c.source_id)
    rows = tx.connection.execute(select(source).where(source.c.id.in_(used)).order_by(source.c.id))
    return [_source(row) for row in rows]


def publications_of(tx: Tx, source_id: int) -> list[int]:
    """Keys of the publications that use a source."""
    statement = select(publication_source.c.publication_id).where(publication_source.c.source_id == source_id)
    return list(tx.connection.execute(statement.order_by(publication_source.c.publication_id)).scalars())


def set_paused(tx: Tx, source_id: int, paused: bool) -> None:  # noqa: FBT001 - the state itself is the argument
    """Pause or resume fetching. A resumed source keeps its next poll time; one that was gone is asked again.

    Raises NotFound.
    """
    values: dict[str, Any] = {"paused": paused} if paused else {"paused": False, "gone_at": None}
    _change(tx, source_id, values)


def rename(tx: Tx, source_id: int, title: str) -> None:
    """Set the title readers see. Raises NotFound."""
    _change(tx, source_id, {"title": title})


def configure(
    tx: Tx,
    source_id: int,
    *,
    title: str | None = None,
    timezone: str | None = None,
    insecure_tls: bool | None = None,
    full_text: bool | None = None,
) -> None:
    """Set what is given and leave the rest; ``timezone`` "" takes it away. Raises NotFound."""
    values: dict[str, Any] = {
        name: value
        for name, value in (("title", title), ("insecure_tls", insecure_tls), ("full_text", full_text))
        if value is not None
    }
    if timezone is not None:
        values["timezone"] = timezone or None
    if values:
        _change(tx, source_id, values)


def reread(tx: Tx, source_id: int) -> None:
    """Forget what the server said of the last document, so that the next one is read even if it is the same.

    What it said about when to come back stays. Raises NotFound.
    """
    _change(tx, source_id, {"etag": None, "last_modified": None, "body_hash": None})


def record_success(
    tx: Tx,
    source_id: int,
    *,
    at: datetime,
    next_poll_at: datetime,
    etag: str | None,
    last_modified: str | None,
    not_before: datetime | None = None,
    body_hash: str | None = None,
    item_count: int | None = None,
    children: tuple[Child, ...] | None = None,
) -> None:
    """A fetch that worked, changed or not. The last three stay as they are when None."""
    values: dict[str, Any] = {
        "failures": 0,
        "failing_since": None,
        "last_error": None,
        "last_success_at": at,
        "last_polled_at": at,
        "next_poll_at": next_poll_at,
        "not_before": not_before,
        "etag": etag,
        "last_modified": last_modified,
    }
    if body_hash is not None:
        values["body_hash"] = body_hash
    if item_count is not None:
        values["item_count"] = item_count
    if children is not None:
        values["children"] = [[child.url, child.etag, child.last_modified, child.body_hash] for child in children]
    tx.connection.execute(update(source).where(source.c.id == source_id).values(values))


def record_failure(
    tx: Tx,
    source_id: int,
    *,
    at: datetime,
    error: str,
    next_poll_at: datetime,
    not_before: datetime | None = None,
    is_gone: bool = False,
) -> None:
    """A fetch that failed, with ``error`` in plain words; validators stay for the next try.

    ``is_gone``: it is not asked again until somebody resumes it.
    """
    values: dict[str, Any] = {
        "failures": source.c.failures + 1,
        "failing_since": func.coalesce(source.c.failing_since, literal(at, Instant())),
        "last_error": error,
        "last_polled_at": at,
        "next_poll_at": next_poll_at,
        "not_before": not_before,
    }
    if is_gone:
        values["gone_at"] = at
    tx.connection.execute(update(source).where(source.c.id == source_id).values(values))


def learn(tx: Tx, found: Source, *, kind: SourceKind, home_url: str | None, language: str | None) -> None:
    """Take what a document says of itself: its kind where no other source has it, and what was not known yet."""
    values: dict[str, Any] = {}
    if kind is not found.kind:
        twin = select(source.c.id).where(source.c.kind == kind.value, source.c.url == found.url)
        if tx.connection.execute(twin).first() is None:
            values["kind"] = kind.value
    if found.home_url is None and home_url:
        values["home_url"] = home_url
    if found.language is None and language:
        values["language"] = language[:35]
    if values:
        _change(tx, found.id, values)


def record_news(tx: Tx, source_id: int, *, at: datetime, gaps: tuple[tuple[str, float], ...]) -> None:
    """Something unseen was found in the source; ``gaps`` is its habit now."""
    values = {"last_new_at": at, "gaps": [list(gap) for gap in gaps]}
    tx.connection.execute(update(source).where(source.c.id == source_id).values(values))


def seen_now(tx: Tx, source_id: int, *, at: datetime) -> tuple[int, int]:
    """(entries seen for the first time in a source at an instant, those of them that another source had brought)."""
    elsewhere = case((article.c.source_id != source_id, 1), else_=0)
    statement = (
        select(func.count(), func.coalesce(func.sum(elsewhere), 0))
        .select_from(sighting)
        .join(article, article.c.id == sighting.c.article_id)
        .where(sighting.c.source_id == source_id, sighting.c.seen_at == at)
    )
    row = tx.connection.execute(statement).one()
    return int(row[0]), int(row[1])


def record_redirect(
    tx: Tx, source_id: int, *, moved_to: str | None, moved_since: datetime | None, moved_seen: int
) -> None:
    """Remember a permanent redirect, or that there is none."""
    values = {"moved_to": moved_to, "moved_since": moved_since, "moved_seen": moved_seen}
    tx.connection.execute(update(source).where(source.c.id == source_id).values(values))


def move(tx: Tx, source_id: int, *, url: str) -> bool:
    """Take a new address for good; false when another source has it already."""
    kind = select(source.c.kind).where(source.c.id == source_id).scalar_subquery()
    taken = select(source.c.id).where(source.c.url == url, source.c.kind == kind, source.c.id != source_id)
    if tx.connection.execute(taken).first() is not None:
        return False
    values = {"url": url, "moved_to": None, "moved_since": None, "moved_seen": 0}
    tx.connection.execute(update(source).where(source.c.id == source_id).values(values))
    return True


def _change(tx: Tx, source_id: int, values: dict[str, Any]) -> None:
    if tx.connection.execute(update(source).where(source.c.id == source_id).values(values)).rowcount == 0:
        get(tx, source_id)


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
        not_before=row.not_before,
        last_polled_at=row.last_polled_at,
        failing_since=row.failing_since,
        gone_at=row.gone_at,
        moved_to=row.moved_to,
        moved_since=row.moved_since,
        moved_seen=row.moved_seen,
        timezone=row.timezone,
        insecure_tls=row.insecure_tls,
        full_text=row.full_text,
        last_new_at=row.last_new_at,
        gaps=tuple((day, seconds) for day, seconds in row.gaps or ()),
        children=tuple(Child(*child) for child in row.children or ()),
    )
