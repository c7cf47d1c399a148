"""Importing readers as the ORM's documentation shows it: objects, `add_all`, a commit for every ten thousand.

    python orm_import.py CSV DATABASE

Two tables with the keys and unique columns that the product's have, so that the file is read into the same shape; no
address is checked.
"""

from __future__ import annotations

import csv
import secrets
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from sqlalchemy import ForeignKey, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

_COMMIT_ROWS = 10_000


class Base(DeclarativeBase):
    """What SQLAlchemy hangs the tables on."""


class Subscriber(Base):
    """A person."""

    __tablename__ = "subscriber"
    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str]
    email_norm: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    created_at: Mapped[datetime]
    subscription: Mapped[Subscription] = relationship(back_populates="subscriber")


class Subscription(Base):
    """What the person gets."""

    __tablename__ = "subscription"
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscriber.id"), primary_key=True)
    publication_id: Mapped[int] = mapped_column(primary_key=True)
    token_id: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(index=True)
    cadence: Mapped[str]
    format: Mapped[str]
    consent_at: Mapped[datetime]
    consent_source: Mapped[str]
    created_at: Mapped[datetime]
    subscriber: Mapped[Subscriber] = relationship(back_populates="subscription")


def person(row: dict[str, str], now: datetime) -> Subscriber:
    """A row as two objects."""
    return Subscriber(
        public_id=secrets.token_urlsafe(8),
        email=row["email"],
        email_norm=row["email"].lower(),
        name=row["name"],
        created_at=now,
        subscription=Subscription(
            publication_id=1,
            token_id=secrets.token_urlsafe(8),
            state="active",
            cadence="daily",
            format="html",
            consent_at=datetime.fromisoformat(row["consent_at"]),
            consent_source=row["consent_source"],
            created_at=now,
        ),
    )


def main() -> None:
    """Read the file in blocks, each a session."""
    engine = create_engine(f"sqlite:///{sys.argv[2]}")
    event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA journal_mode=WAL"))
    Base.metadata.create_all(engine)
    now = datetime.now(UTC)
    with Path(sys.argv[1]).open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        while block := list(islice(rows, _COMMIT_ROWS)):
            with Session(engine) as session:
                session.add_all([person(row, now) for row in block])
                session.commit()


if __name__ == "__main__":
    main()
