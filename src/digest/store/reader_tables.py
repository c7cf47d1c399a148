"""The tables of readers beside subscribers and subscriptions: asking, agreeing, moving, leaving, and being chosen.

A module of its own beside `store.tables` and of the same schema. Addresses stand in `subscriber`; here they do so only
until somebody has answered (`signup`, `address_change`), and as keyed hashes where they must be known for longer.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from digest.model.consent import ConsentAct, SignUpState
from digest.store.tables import metadata
from digest.store.types import Instant, Key


def _one_of(column: str, values: type[ConsentAct | SignUpState]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


#: Who agreed to what, when, where and how; rows are added and never changed, but for erasure, which leaves the hash.
consent = Table(
    "consent",
    metadata,
    Column("id", Key, primary_key=True),
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="SET NULL")),
    Column("email_hash", String(64), nullable=False),
    Column("act", String(16), nullable=False),
    Column("digest", Boolean, nullable=False),  # the two choices, as they are after it
    Column("alerts", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Column("how", Text, nullable=False),  # form, button, one-click, operator, …
    Column("page", Text, nullable=False),  # where: the page's path, or the file
    Column("network", String(43), nullable=False),  # a prefix, never a whole address
    Column("wording", String(64), nullable=False),  # version of the words that were agreed to
    Column("mail", Text, nullable=False),  # dedupe key of the mail whose link was used
    _one_of("act", ConsentAct),
    Index(None, "subscriber_id"),
    Index(None, "email_hash"),
    Index(None, "publication_id"),
)

#: What somebody asked for at the sign-up box. The address is emptied as soon as there is a pending subscriber.
signup = Table(
    "signup",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token_id", String(16), nullable=False, unique=True),
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE")),
    Column("email", Text, nullable=False),
    Column("email_norm", Text, nullable=False),
    Column("wishes", JSON, nullable=False),  # audience.signup.Wishes
    Column("page", Text, nullable=False),
    Column("network", String(43), nullable=False),
    Column("wording", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("reminded_at", Instant),
    Column("confirmed_at", Instant),
    _one_of("state", SignUpState),
    Index(None, "state", "created_at"),
    Index(None, "subscriber_id"),
)

#: An address that is to take the place of another once it has been confirmed.
address_change = Table(
    "address_change",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token_id", String(16), nullable=False, unique=True),
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=False),
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("email", Text, nullable=False),
    Column("email_norm", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "subscriber_id"),
    Index(None, "created_at"),
)

#: How a reader left or took less, so that it can be undone, once; and why, where they said so.
departure = Table(
    "departure",
    metadata,
    Column("id", Key, primary_key=True),
    Column("token_id", String(16), nullable=False, unique=True),
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=False),
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("choice", String(16), nullable=False),
    Column("how", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Column("before", JSON, nullable=False),  # the columns as they were
    Column("reason", Text, nullable=False),
    Column("undone_at", Instant),
    Index(None, "subscriber_id", "publication_id"),
    Index(None, "at"),
)

#: How often something was asked for, by whom (network or hashed address) and hour.
asking = Table(
    "asking",
    metadata,
    Column("scope", String(80), nullable=False),
    Column("hour", Integer, nullable=False),  # since 1970
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("scope", "hour"),
    Index(None, "hour"),
)

#: What may be used once and has been: proofs of work.
spent = Table(
    "spent",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("until", Instant, nullable=False),  # from then on it is refused for its age
    Index(None, "until"),
)

#: What the DNS said of a domain to which mail is to go.
mail_domain = Table(
    "mail_domain",
    metadata,
    Column("domain", String(255), primary_key=True),
    Column("verdict", String(16), nullable=False),
    Column("checked_at", Instant, nullable=False),
)

#: A rule that chooses readers of a publication, as it was written; checked before it is stored.
segment = Table(
    "segment",
    metadata,
    Column("id", Key, primary_key=True),
    Column("publication_id", ForeignKey("publication.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("rule", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("publication_id", "name"),
)
