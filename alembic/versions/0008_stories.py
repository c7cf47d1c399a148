"""Stories: which articles tell one event, a month of counted terms, and what a publication allows a source."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Written out, not imported: a migration must not change when the code does.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add all of it. Articles stored before are each a story of their own."""
    op.create_table(
        "article_story",
        sa.Column("article_id", KEY, autoincrement=False, nullable=False),
        sa.Column("story_id", KEY, nullable=False),
        sa.Column("copy_of", KEY, nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["article.id"], name=op.f("fk_article_story_article_id_article"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("article_id", name=op.f("pk_article_story")),
    )
    op.create_index(op.f("ix_article_story_story_id"), "article_story", ["story_id"])
    op.create_index(op.f("ix_article_story_counted_on"), "article_story", ["counted_on"])
    op.create_table(
        "term_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("articles", sa.Integer(), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("day", "language", name=op.f("pk_term_day")),
    )
    op.add_column("publication", sa.Column("max_per_source", sa.Integer(), nullable=True))
    op.add_column("publication", sa.Column("max_per_section", sa.Integer(), nullable=True))
    op.add_column("publication", sa.Column("story_days", sa.Integer(), server_default="7", nullable=False))


def downgrade() -> None:
    """Drop all of it; stories are told anew from then on."""
    op.drop_column("publication", "story_days")
    op.drop_column("publication", "max_per_section")
    op.drop_column("publication", "max_per_source")
    op.drop_table("term_day")
    op.drop_table("article_story")
