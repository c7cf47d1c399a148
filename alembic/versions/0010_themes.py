"""Each publication has a theme: which look its mails have."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; publications keep the look they have."""
    op.add_column("publication", sa.Column("theme", sa.String(length=64), server_default="meridian", nullable=False))


def downgrade() -> None:
    """Drop it; every mail looks like the default again."""
    op.drop_column("publication", "theme")
