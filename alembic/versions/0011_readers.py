"""Readers: two choices, consent, sign-ups, address changes, leaving with a way back, and segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Written out, not imported: a migration must not change when the code does.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
_PAUSED = sa.text("paused_until IS NOT NULL")
_OLD_KINDS = ("confirm", "preferences", "test")
_OLD_REASONS = ("bounced", "complained", "operator")


def upgrade() -> None:
    """Add the columns and tables, and let notices and suppressions be of more kinds."""
    op.add_column("subscriber", sa.Column("attributes", sa.JSON(), nullable=True))
    for column in (
        sa.Column("digest", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("alerts", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("deliver_at", sa.String(length=5), nullable=True),
        sa.Column("paused_until", INSTANT, nullable=True),
    ):
        op.add_column("subscription", column)
    op.create_index(
        "ix_subscription_paused_until",
        "subscription",
        ["paused_until"],
        sqlite_where=_PAUSED,
        postgresql_where=_PAUSED,
    )
    _allow("notice", "kind", (*_OLD_KINDS, "reminder", "welcome", "goodbye", "address", "moved"))
    _allow("suppression", "reason", (*_OLD_REASONS, "erased"))
    _people()
    _counts()


def _allow(table: str, column: str, values: Sequence[str]) -> None:
    """Let a column hold these values and no others."""
    listed = ", ".join(f"'{value}'" for value in values)
    name = op.f(f"ck_{table}_{column}")
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, f"{column} IN ({listed})")


def _reference(table: str, column: str, to: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"), ondelete=ondelete)


def _table(name: str, *parts: Any, unique: Sequence[str] = ()) -> None:
    constraints = [sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}"))]
    constraints += [sa.UniqueConstraint(column, name=op.f(f"uq_{name}_{column}")) for column in unique]
    op.create_table(name, sa.Column("id", KEY, nullable=False), *parts, *constraints)


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def _people() -> None:
    _table(
        "consent",
        sa.Column("publication_id", KEY, nullable=False),
        sa.Column("subscriber_id", KEY, nullable=True),
        sa.Column("email_hash", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.Boolean(), nullable=False),
        sa.Column("alerts", sa.Boolean(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("network", sa.String(length=43), nullable=False),
        sa.Column("wording", sa.String(length=64), nullable=False),
        sa.Column("mail", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "act IN ('asked', 'confirmed', 'changed', 'withdrawn', 'undone', 'imported', 'readdressed', 'erased')",
            name=op.f("ck_consent_act"),
        ),
        _reference("consent", "publication_id", "publication", "CASCADE"),
        _reference("consent", "subscriber_id", "subscriber", "SET NULL"),
    )
    for column in ("subscriber_id", "email_hash", "publication_id"):
        _index("consent", column)
    _table(
        "signup",
        sa.Column("token_id", sa.String(length=16), nullable=False),
        sa.Column("publication_id", KEY, nullable=False),
        sa.Column("subscriber_id", KEY, nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("wishes", sa.JSON(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("network", sa.String(length=43), nullable=False),
        sa.Column("wording", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("reminded_at", INSTANT, nullable=True),
        sa.Column("confirmed_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "state IN ('asked', 'mailed', 'confirmed', 'known', 'refused')", name=op.f("ck_signup_state")
        ),
        _reference("signup", "publication_id", "publication", "CASCADE"),
        _reference("signup", "subscriber_id", "subscriber", "CASCADE"),
        unique=["token_id"],
    )
    _index("signup", "state", "created_at")
    _index("signup", "subscriber_id")
    _table(
        "address_change",
        sa.Column("token_id", sa.String(length=16), nullable=False),
        sa.Column("subscriber_id", KEY, nullable=False),
        sa.Column("publication_id", KEY, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        _reference("address_change", "subscriber_id", "subscriber", "CASCADE"),
        _reference("address_change", "publication_id", "publication", "CASCADE"),
        unique=["token_id"],
    )
    _index("address_change", "subscriber_id")
    _index("address_change", "created_at")
    _table(
        "departure",
        sa.Column("token_id", sa.String(length=16), nullable=False),
        sa.Column("subscriber_id", KEY, nullable=False),
        sa.Column("publication_id", KEY, nullable=False),
        sa.Column("choice", sa.String(length=16), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("undone_at", INSTANT, nullable=True),
        _reference("departure", "subscriber_id", "subscriber", "CASCADE"),
        _reference("departure", "publication_id", "publication", "CASCADE"),
        unique=["token_id"],
    )
    _index("departure", "subscriber_id", "publication_id")
    _index("departure", "at")


def _counts() -> None:
    op.create_table(
        "asking",
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "hour", name=op.f("pk_asking")),
    )
    _index("asking", "hour")
    op.create_table(
        "spent",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_spent")),
    )
    _index("spent", "until")
    op.create_table(
        "mail_domain",
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("checked_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_mail_domain")),
    )
    op.create_table(
        "segment",
        sa.Column("id", KEY, nullable=False),
        sa.Column("publication_id", KEY, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        _reference("segment", "publication_id", "publication", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment")),
        sa.UniqueConstraint("publication_id", "name", name=op.f("uq_segment_publication_id_name")),
    )


def downgrade() -> None:
    """Forget it all; readers who were erased may be imported again, so they are kept as suppressed by an operator."""
    for table in ("segment", "mail_domain", "spent", "asking", "departure", "address_change", "signup", "consent"):
        op.drop_table(table)
    op.execute("UPDATE suppression SET reason = 'operator' WHERE reason = 'erased'")
    _allow("suppression", "reason", _OLD_REASONS)
    op.execute(f"DELETE FROM notice WHERE kind NOT IN ({', '.join(repr(kind) for kind in _OLD_KINDS)})")  # noqa: S608 - constants
    _allow("notice", "kind", _OLD_KINDS)
    op.drop_index("ix_subscription_paused_until", "subscription")
    for column in ("paused_until", "deliver_at", "alerts", "digest"):
        op.drop_column("subscription", column)
    op.drop_column("subscriber", "attributes")
