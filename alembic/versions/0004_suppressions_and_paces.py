"""Suppressed addresses, what hindered mail to a reader, and how fast mail may go to a provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Written out, not imported: a migration must not change when the code does.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "suppression",
        sa.Column("email_hash", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("subscriber_id", KEY, nullable=True),
        sa.Column("compared_to", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=True),
        sa.CheckConstraint("reason IN ('bounced', 'complained', 'operator')", name=op.f("ck_suppression_reason")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_suppression_subscriber_id_subscriber")
        ),
        sa.PrimaryKeyConstraint("email_hash", "scope", name=op.f("pk_suppression")),
    )
    op.create_index(op.f("ix_suppression_subscriber_id"), "suppression", ["subscriber_id"])
    op.create_table(
        "hindrance",
        sa.Column("subscriber_id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.CheckConstraint("kind IN ('mailbox-full', 'unreachable', 'needs-smtputf8')", name=op.f("ck_hindrance_kind")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_hindrance_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "kind", name=op.f("pk_hindrance")),
    )
    op.create_table(
        "pace",
        sa.Column("scope", sa.String(length=300), nullable=False),
        sa.Column("window", sa.Float(), nullable=True),
        sa.Column("held_until", INSTANT, nullable=True),
        sa.Column("backoff_s", sa.Integer(), nullable=False),
        sa.Column("troubles", sa.JSON(), nullable=False),
        sa.Column("troubled_at", INSTANT, nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_pace")),
    )


def downgrade() -> None:
    """Drop them; what they knew is lost, and addresses that were suppressed are mailed again."""
    op.drop_table("pace")
    op.drop_table("hindrance")
    op.drop_table("suppression")
