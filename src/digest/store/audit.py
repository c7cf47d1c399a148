"""The audit log: who changed what when, where a change would otherwise only show in its effect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

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


def act(tx: Tx, *, subject: str, detail: str, at: datetime) -> None:
    """Write down what the operator whose command this transaction belongs to did; nothing for anybody else.

    ``subject`` is the keyed hash of a person's address, or names a thing; ``detail`` never holds an address.
    """
    if tx.operator is not None:
        note(tx, at=at, actor=tx.operator.name, action=tx.operator.command, subject=subject, detail=detail)
        tx.operator.noted.append(subject)


def sign(tx: Tx) -> None:
    """Write down that an operator's command changed something, where it did not say so itself. Called on commit."""
    if tx.operator is not None and not tx.operator.noted:
        act(tx, subject="", detail=tx.operator.detail, at=datetime.now(UTC))


def latest(tx: Tx, *, subject: str | None = None, limit: int) -> list[AuditEntry]:
    """The latest entries, or those about one subject, newest first."""
    if subject is not None:
        return of_subject(tx, subject, limit=limit)
    rows = tx.connection.execute(select(audit_log).order_by(audit_log.c.id.desc()).limit(limit))
    return [AuditEntry(row.at, row.actor, row.action, row.subject, row.detail) for row in rows]


def note(tx: Tx, *, at: datetime, actor: str, action: str, subject: str, detail: str) -> None:
    """Write an entry, in the transaction of the change itself."""
    values = {"at": at, "actor": actor, "action": action, "subject": subject, "detail": detail}
    tx.connection.execute(insert(audit_log).values(values))


def of_subject(tx: Tx, subject: str, *, limit: int = 20) -> list[AuditEntry]:
    """The latest entries about a subject, newest first."""
    statement = select(audit_log).where(audit_log.c.subject == subject)
    rows = tx.connection.execute(statement.order_by(audit_log.c.at.desc(), audit_log.c.id.desc()).limit(limit))
    return [AuditEntry(row.at, row.actor, row.action, row.subject, row.detail) for row in rows]
