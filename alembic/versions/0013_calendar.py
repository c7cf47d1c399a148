"""On which day a weekly or monthly issue comes, and on which days a publication rests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both; weekly issues come on Mondays, as before, and nobody rests."""
    op.add_column("cadence", sa.Column("day", sa.Integer(), nullable=True))
    op.add_column("publication", sa.Column("days_off", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop both; a monthly issue, which the older version does not know, becomes a weekly one."""
    op.execute("UPDATE cadence SET rule = 'weekly' WHERE rule = 'monthly'")
    op.drop_column("publication", "days_off")
    op.drop_column("cadence", "day")
