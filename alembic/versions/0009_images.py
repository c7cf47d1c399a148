"""Our own copies of pictures: kept once by content, and shown by articles in one or two sizes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Written out, not imported: a migration must not change when the code does.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    """Add both tables."""
    op.create_table(
        "image",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_image")),
    )
    op.create_table(
        "article_image",
        sa.Column("article_id", KEY, nullable=False),
        sa.Column("size", sa.String(length=8), nullable=False),
        sa.Column("image_hash", sa.String(length=64), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=False),
        sa.CheckConstraint("size IN ('lead', 'thumb')", name=op.f("ck_article_image_size")),
        sa.ForeignKeyConstraint(
            ["article_id"], ["article.id"], name=op.f("fk_article_image_article_id_article"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["image_hash"], ["image.hash"], name=op.f("fk_article_image_image_hash_image")),
        sa.PrimaryKeyConstraint("article_id", "size", name=op.f("pk_article_image")),
    )
    op.create_index(op.f("ix_article_image_image_hash"), "article_image", ["image_hash"])


def downgrade() -> None:
    """Drop both; mails that show our copies show them no more."""
    op.drop_table("article_image")
    op.drop_table("image")
