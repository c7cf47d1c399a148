"""The consent ledger: lines are added and never changed; erasing a reader leaves the hash and what was agreed to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, or_, select, update

from digest.model.consent import ConsentAct, ConsentEntry, Origin
from digest.store.engine import Tx
from digest.store.reader_tables import consent
from digest.store.tables import publication, subscription

_PAGE = 1000


def record(
    tx: Tx,
    act: ConsentAct,
    *,
    publication_id: int,
    subscriber_id: int | None,
    email_hash: str,
    choices: tuple[bool, bool],
    origin: Origin,
    now: datetime,
) -> None:
    """Add a line. ``choices``: digest and alerts as they are after the act."""
    tx.connection.execute(
        insert(consent).values(
            publication_id=publication_id,
            subscriber_id=subscriber_id,
            email_hash=email_hash,
            act=act.value,
            digest=choices[0],
            alerts=choices[1],
            at=now,
            how=origin.how,
            page=origin.page,
            network=origin.network,
            wording=origin.wording,
            mail=origin.mail,
        )
    )


def of_reader(tx: Tx, subscriber_id: int | None, *, email_hash: str) -> list[ConsentEntry]:
    """Every line about a reader or about an address, oldest first."""
    about: ColumnElement[bool] = consent.c.email_hash == email_hash
    if subscriber_id is not None:
        about = or_(about, consent.c.subscriber_id == subscriber_id)
    query = (
        select(consent, publication.c.slug)
        .join(publication, publication.c.id == consent.c.publication_id)
        .where(about)
        .order_by(consent.c.at, consent.c.id)
    )
    return [_entry(row) for row in tx.connection.execute(query)]


def pages(tx: Tx, publication_id: int) -> Iterator[tuple[str, ConsentEntry]]:
    """(hash of the address, line) of a publication's whole ledger, oldest first. Memory stays flat."""
    after = 0
    while True:
        query = (
            select(consent, publication.c.slug)
            .join(publication, publication.c.id == consent.c.publication_id)
            .where(consent.c.publication_id == publication_id, consent.c.id > after)
            .order_by(consent.c.id)
            .limit(_PAGE)
        )
        rows = tx.connection.execute(query).all()
        if not rows:
            return
        for row in rows:
            yield row.email_hash, _entry(row)
        after = rows[-1].id


def set_choices(tx: Tx, subscriber_id: int, *, publication_id: int, digest: bool, alerts: bool) -> None:
    """Set both choices of a subscription; what was agreed to is the caller's to record."""
    tx.connection.execute(
        update(subscription)
        .where(subscription.c.subscriber_id == subscriber_id, subscription.c.publication_id == publication_id)
        .values(digest=digest, alerts=alerts)
    )


def _entry(row: Any) -> ConsentEntry:
    origin = Origin(how=row.how, page=row.page, network=row.network, wording=row.wording, mail=row.mail)
    return ConsentEntry(row.at, row.slug, ConsentAct(row.act), digest=row.digest, alerts=row.alerts, origin=origin)
