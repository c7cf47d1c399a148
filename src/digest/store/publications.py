"""Publications, their cadences and topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import Row, delete, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from digest.model.errors import AlreadyExists, NotFound
from digest.model.publication import Archive, Cadence, CadenceRule, CatchUp, NewPublication, Publication, Topic
from digest.store.engine import Tx
from digest.store.tables import cadence, issue, publication, publication_source, subscription_topic, topic


def insert_or_ignore(tx: Tx, table: Any) -> Any:
    """An INSERT in this database's dialect, to which an ``on_conflict_…`` clause can be added."""
    return pg_insert(table) if tx.is_postgres else sqlite_insert(table)


def add(tx: Tx, new: NewPublication, *, now: datetime) -> Publication:
    """Store a new publication with its first cadence. Raises AlreadyExists when the slug is taken."""
    try:
        key = tx.connection.execute(
            insert(publication)
            .values(
                slug=new.slug,
                name=new.name,
                sender_name=new.sender_name,
                sender_email=new.sender_email,
                reply_to=new.reply_to,
                timezone=new.timezone,
                locale=new.locale,
                postal_address=new.postal_address,
                min_items=new.min_items,
                max_items=new.max_items,
                template=new.template,
                hold_s=new.hold_s,
                needs_approval=new.needs_approval,
                created_at=now,
                max_per_source=new.max_per_source,
                max_per_section=new.max_per_section,
                story_days=new.story_days,
                archive=new.archive.value,
                is_indexed=new.is_indexed,
                days_off=" ".join(new.days_off),
                theme=new.theme,
            )
            .returning(publication.c.id)
        ).scalar_one()
    except IntegrityError as error:
        raise AlreadyExists(
            f"there is a publication {new.slug!r} already",
            hint="choose another slug, or change it with `publication set`",
        ) from error
    put_cadence(tx, key, new.cadence)
    return get(tx, new.slug)


def put_cadence(tx: Tx, publication_id: int, rhythm: Cadence) -> None:
    """Store a cadence of a publication, replacing the one of the same name."""
    values = {
        "rule": rhythm.rule.value,
        "send_at": rhythm.send_at.strftime("%H:%M"),
        "catch_up": rhythm.catch_up.value,
        "max_lateness_s": int(rhythm.max_lateness.total_seconds()),
        "day": rhythm.day,
    }
    statement = insert_or_ignore(tx, cadence).values(publication_id=publication_id, name=rhythm.name, **values)
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["publication_id", "name"], set_=values))


def drop_cadence(tx: Tx, publication_id: int, name: str) -> None:
    """Forget a cadence; its past issues stay."""
    tx.connection.execute(delete(cadence).where(cadence.c.publication_id == publication_id, cadence.c.name == name))


def get(tx: Tx, slug: str) -> Publication:
    """A publication by slug. Raises NotFound naming the ones there are."""
    row = tx.connection.execute(select(publication).where(publication.c.slug == slug)).one_or_none()
    if row is None:
        known = [item.slug for item in list_all(tx)]
        hint = f"known publications: {', '.join(known)}" if known else "add one with `digest publication add`"
        raise NotFound(f"there is no publication {slug!r}", hint=hint)
    return _publication(tx, row)


def by_id(tx: Tx, publication_id: int) -> Publication:
    """A publication by key, which must exist."""
    return _publication(tx, tx.connection.execute(select(publication).where(publication.c.id == publication_id)).one())


def list_all(tx: Tx) -> list[Publication]:
    """Every publication, by slug."""
    rows = tx.connection.execute(select(publication).order_by(publication.c.slug)).all()
    return [_publication(tx, row) for row in rows]


def change(tx: Tx, publication_id: int, values: Mapping[str, object]) -> None:
    """Change columns of a publication; keys are column names."""
    if values:
        tx.connection.execute(update(publication).where(publication.c.id == publication_id).values(**values))


def remove(tx: Tx, publication_id: int) -> bool:
    """Delete a publication that never had an issue; False when it has some (its ledger must stay)."""
    issues = select(func.count()).select_from(issue).where(issue.c.publication_id == publication_id)
    if tx.connection.execute(issues).scalar_one():
        return False
    tx.connection.execute(delete(publication).where(publication.c.id == publication_id))
    return True


def topics(tx: Tx, publication_id: int) -> list[Topic]:
    """The topics of a publication, by slug."""
    rows = tx.connection.execute(
        select(topic.c.id, topic.c.slug, topic.c.name)
        .where(topic.c.publication_id == publication_id)
        .order_by(topic.c.slug)
    )
    return [Topic(*row) for row in rows]


def ensure_topic(tx: Tx, publication_id: int, *, slug: str, name: str) -> Topic:
    """The topic with that slug, made when it is new."""
    statement = insert_or_ignore(tx, topic).values(publication_id=publication_id, slug=slug, name=name)
    tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["publication_id", "slug"]))
    row = tx.connection.execute(
        select(topic.c.id, topic.c.slug, topic.c.name).where(
            topic.c.publication_id == publication_id, topic.c.slug == slug
        )
    ).one()
    return Topic(*row)


def drop_unused_topic(tx: Tx, publication_id: int, *, slug: str) -> None:
    """Take back a topic that nothing uses; one in use stays."""
    tx.connection.execute(
        delete(topic).where(
            topic.c.publication_id == publication_id,
            topic.c.slug == slug,
            ~exists().where(publication_source.c.topic_id == topic.c.id),
            ~exists().where(subscription_topic.c.topic_id == topic.c.id),
        )
    )


def _publication(tx: Tx, row: Row[Any]) -> Publication:
    rhythms: Sequence[Row[Any]] = tx.connection.execute(
        select(cadence).where(cadence.c.publication_id == row.id).order_by(cadence.c.name)
    ).all()
    values = row._asdict()
    values["archive"] = Archive(row.archive)
    values["days_off"] = tuple(row.days_off.split())
    days_off = frozenset(values["days_off"])
    return Publication(**values, cadences=tuple(_cadence(item, days_off) for item in rhythms))


def _cadence(row: Row[Any], days_off: frozenset[str]) -> Cadence:
    return Cadence(
        name=row.name,
        rule=CadenceRule(row.rule),
        send_at=time.fromisoformat(row.send_at),
        catch_up=CatchUp(row.catch_up),
        max_lateness=timedelta(seconds=row.max_lateness_s),
        day=row.day,
        days_off=days_off,
    )
