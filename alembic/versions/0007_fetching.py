"""What fetching remembers: floors, habits and moves of sources; hosts, pages of articles, hubs; and an audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Written out, not imported: a migration must not change when the code does.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
WAITING = sa.text("state = 'waiting'")
NULLABLE = (
    ("not_before", INSTANT),
    ("last_polled_at", INSTANT),
    ("failing_since", INSTANT),
    ("gone_at", INSTANT),
    ("moved_to", sa.Text()),
    ("moved_since", INSTANT),
    ("timezone", sa.Text()),
    ("last_new_at", INSTANT),
    ("gaps", sa.JSON()),
    ("children", sa.JSON()),
)
FLAGS = (("insecure_tls", "false"), ("full_text", "true"))


def upgrade() -> None:
    """Add all of it; nothing is known of any host yet, and every source is due when it was."""
    for name, kind in NULLABLE:
        op.add_column("source", sa.Column(name, kind, nullable=True))
    for name, default in FLAGS:
        op.add_column("source", sa.Column(name, sa.Boolean(), server_default=sa.text(default), nullable=False))
    op.add_column("source", sa.Column("moved_seen", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE source SET last_polled_at = last_success_at")
    op.create_table(
        "host",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("refusals", sa.Integer(), server_default="0", nullable=False),
        sa.Column("held_until", INSTANT, nullable=True),
        sa.Column("robots", sa.Text(), nullable=True),
        sa.Column("robots_status", sa.Integer(), nullable=True),
        sa.Column("robots_until", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_host")),
    )
    _pages()
    _websub()
    op.create_table(
        "audit_log",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_subject"), "audit_log", ["subject"])


def _pages() -> None:
    op.create_table(
        "page",
        sa.Column("url_hash", sa.String(length=64), nullable=False),
        sa.Column("source_id", KEY, nullable=False),
        sa.Column("article_id", KEY, nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("feed_hash", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", INSTANT, nullable=True),
        sa.Column("tried_at", INSTANT, nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'taken', 'kept', 'failed', 'passed')", name=op.f("ck_page_state")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("fk_page_source_id_source"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["article_id"], ["article.id"], name=op.f("fk_page_article_id_article"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("url_hash", name=op.f("pk_page")),
    )
    op.create_index("ix_page_waiting", "page", ["source_id"], sqlite_where=WAITING, postgresql_where=WAITING)
    op.create_index(op.f("ix_page_article_id"), "page", ["article_id"])


def _websub() -> None:
    op.create_table(
        "websub",
        sa.Column("source_id", KEY, nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("hub_url", sa.Text(), nullable=False),
        sa.Column("topic_url", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("next_try_at", INSTANT, nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("last_delivery_at", INSTANT, nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("state IN ('wanted', 'requested', 'active', 'refused')", name=op.f("ck_websub_state")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("fk_websub_source_id_source"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_websub")),
        sa.UniqueConstraint("token", name=op.f("uq_websub_token")),
    )


def downgrade() -> None:
    """Forget all of it."""
    for table in ("audit_log", "websub", "page", "host"):
        op.drop_table(table)
    for name in ("moved_seen", *(name for name, _ in FLAGS), *(name for name, _ in NULLABLE)):
        op.drop_column("source", name)
