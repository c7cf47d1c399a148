"""The audit log: who changed what when, where a change would otherwise only show in its effect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from digest.store.engine import Tx
from digest.store.fetch_tables import audit_log

COLLECTOR = "collector"
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. ``subject`` names what was changed (``source:12``), ``detail`` says from what to what."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: str


def note(tx: Tx, *, at: datetime, actor: str, action: str, subject: str, detail: str) -> None:
    """Write an entry, in the transaction of the change itself."""
    values = {"at": at, "actor": actor, "action": action, "subject": subject, "detail": detail}
    tx.connection.execute(insert(audit_log).values(values))


def of_subject(tx: Tx, subject: str, *, limit: int = 20) -> list[AuditEntry]:
    """The latest entries about a subject, newest first."""
    statement = select(audit_log).where(audit_log.c.subject == subject)
    rows = tx.connection.execute(statement.order_by(audit_log.c.at.desc(), audit_log.c.id.desc()).limit(limit))
    return [AuditEntry(row.at, row.actor, row.action, row.subject, row.detail) for row in rows]
