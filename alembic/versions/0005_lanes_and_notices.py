"""Lanes and notices: an issue's priority, and transactional mails as rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Written out, not imported: a migration must not change when the code does.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
OPEN = sa.text("state IN ('pending', 'leased', 'sending', 'deferred', 'unknown')")


def upgrade() -> None:
    """Add both; every issue so far is bulk."""
    op.add_column("issue", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "notice",
        sa.Column("id", KEY, nullable=False),
        sa.Column("dedupe_key", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("publication_id", KEY, nullable=False),
        sa.Column("subscriber_id", KEY, nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("doubts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=True),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("first_attempt_at", INSTANT, nullable=True),
        sa.Column("relay", sa.Text(), nullable=True),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("enhanced_code", sa.String(length=16), nullable=True),
        sa.Column("reply_text", sa.Text(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.CheckConstraint("kind IN ('confirm', 'preferences', 'test')", name=op.f("ck_notice_kind")),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'sending', 'deferred', 'sent', 'failed', 'skipped', 'unknown')",
            name=op.f("ck_notice_state"),
        ),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publication.id"],
            name=op.f("fk_notice_publication_id_publication"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_notice_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notice_dedupe_key")),
    )
    op.create_index("ix_notice_open", "notice", ["id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index(op.f("ix_notice_subscriber_id"), "notice", ["subscriber_id"])
    op.create_index(op.f("ix_notice_created_at"), "notice", ["created_at"])


def downgrade() -> None:
    """Drop both; a notice that was not sent yet is not sent."""
    op.drop_table("notice")
    op.drop_column("issue", "priority")
