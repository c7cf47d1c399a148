"""What the DNS said of mail domains, kept for a while."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from digest.model.mailbox import DomainVerdict
from digest.store.engine import Tx
from digest.store.publications import insert_or_ignore
from digest.store.reader_tables import mail_domain


def verdict(tx: Tx, domain: str, *, since: datetime) -> DomainVerdict | None:
    """What was found since that instant; None where nobody asked."""
    query = select(mail_domain.c.verdict).where(mail_domain.c.domain == domain, mail_domain.c.checked_at >= since)
    found = tx.connection.execute(query).scalar_one_or_none()
    return None if found is None else DomainVerdict(found)


def keep(tx: Tx, domain: str, *, verdict: DomainVerdict, now: datetime) -> None:
    """Remember what was found."""
    values = {"verdict": verdict.value, "checked_at": now}
    statement = insert_or_ignore(tx, mail_domain).values(domain=domain, **values)
    tx.connection.execute(statement.on_conflict_do_update(index_elements=["domain"], set_=values))


def forget(tx: Tx, *, before: datetime) -> int:
    """Let go of what is old."""
    return tx.connection.execute(delete(mail_domain).where(mail_domain.c.checked_at < before)).rowcount
