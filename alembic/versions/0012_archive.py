"""Who may find an issue on the web, and the words it is found by."""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Written out, not imported: a migration must not change when the code does.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_RENDITION = sa.table(
    "rendition", sa.column("id", KEY), sa.column("format"), sa.column("text"), sa.column("search_text")
)


def upgrade() -> None:
    """Add the switches, and make what was sent before findable."""
    op.add_column("publication", sa.Column("archive", sa.String(length=8), nullable=False, server_default="public"))
    op.add_column("publication", sa.Column("is_indexed", sa.Boolean(), nullable=False, server_default=sa.text("true")))
    op.add_column("rendition", sa.Column("search_text", sa.Text(), nullable=True))
    connection = op.get_bind()
    pages = sa.select(_RENDITION.c.id, _RENDITION.c.text).where(_RENDITION.c.format == "web")
    for key, text in connection.execute(pages).all():
        connection.execute(sa.update(_RENDITION).where(_RENDITION.c.id == key).values(search_text=_folded(text)))


def downgrade() -> None:
    """Drop the three columns; every issue is public again."""
    op.drop_column("rendition", "search_text")
    op.drop_column("publication", "is_indexed")
    op.drop_column("publication", "archive")


def _folded(text: str) -> str:
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(bare.casefold().split())
