"""The ledger's keys and dates, and what editors decide about articles and issues."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Written out, not imported: a migration must not change when the code does.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
_ROWS_AT_ONCE = 1000


def upgrade() -> None:
    """Add all of it; every article so far is known by its address and by its sources' own ids."""
    op.add_column("article", sa.Column("claimed_at", INSTANT, nullable=True))
    op.add_column("article", sa.Column("date_problem", sa.String(length=16), nullable=True))
    op.add_column("article", sa.Column("is_rerun", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("issue", sa.Column("intro", sa.Text(), server_default="", nullable=False))
    op.add_column("issue", sa.Column("hold_until", INSTANT, nullable=True))
    op.add_column("publication", sa.Column("hold_s", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "publication", sa.Column("needs_approval", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("rendition", sa.Column("retired_at", INSTANT, nullable=True))
    article_key = op.create_table(
        "article_key",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("article_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["article.id"], name=op.f("fk_article_key_article_id_article"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_article_key")),
    )
    op.create_index(op.f("ix_article_key_article_id"), "article_key", ["article_id"])
    op.create_table(
        "editing",
        sa.Column("publication_id", KEY, nullable=False),
        sa.Column("article_id", KEY, nullable=False),
        sa.Column("pin", sa.Integer(), nullable=True),
        sa.Column("is_hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_recalled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("teaser", sa.Text(), nullable=True),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publication.id"],
            name=op.f("fk_editing_publication_id_publication"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["article_id"], ["article.id"], name=op.f("fk_editing_article_id_article"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("publication_id", "article_id", name=op.f("pk_editing")),
    )
    op.create_index(op.f("ix_editing_article_id"), "editing", ["article_id"])
    _fill(article_key)


def _fill(article_key: sa.Table) -> None:
    connection = op.get_bind()
    known: dict[str, int] = {}
    for identity, article in connection.execute(sa.text("SELECT identity, id FROM article ORDER BY id")):
        known.setdefault(_key("address", 0, identity), article)
    sightings = sa.text("SELECT guid_hash, source_id, article_id FROM sighting ORDER BY article_id")
    for guid_hash, source, article in connection.execute(sightings):
        known.setdefault(_key("guid", source, guid_hash), article)
    rows = [{"hash": key, "article_id": article} for key, article in known.items()]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        connection.execute(article_key.insert(), rows[start : start + _ROWS_AT_ONCE])


def _key(rung: str, source: int, value_hash: str) -> str:
    return hashlib.sha256(f"{rung}\n{source}\n{value_hash}".encode()).hexdigest()


def downgrade() -> None:
    """Forget the keys and what editors decided."""
    op.drop_table("editing")
    op.drop_table("article_key")
    for table, column in (
        ("rendition", "retired_at"),
        ("publication", "needs_approval"),
        ("publication", "hold_s"),
        ("issue", "hold_until"),
        ("issue", "intro"),
        ("article", "is_rerun"),
        ("article", "date_problem"),
        ("article", "claimed_at"),
    ):
        op.drop_column(table, column)
