"""Issues expire by an instant of their own, and a database knows which installation it belongs to."""

from __future__ import annotations

from datetime import timedelta
from secrets import token_hex

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Written out, not imported: a migration must not change when the code does.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
HALF_A_DAY = timedelta(hours=12)  # the default of delivery.expire_after_s when this was written


def upgrade() -> None:
    """Add both; what is being sent right now gets the usual time from its beginning."""
    installation = op.create_table(
        "installation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.bulk_insert(installation, [{"id": token_hex(16)}])
    # Plain ALTER, no batch: SQLite would otherwise copy the table and drop the one that deliveries refer to.
    op.add_column("issue", sa.Column("expires_at", INSTANT, nullable=True))
    later = f"{HALF_A_DAY // timedelta(microseconds=1)}" if _is_sqlite() else f"interval '{HALF_A_DAY.seconds} seconds'"
    op.execute(f"UPDATE issue SET expires_at = sending_at + {later} WHERE state IN ('sending', 'paused')")  # noqa: S608 - constants


def downgrade() -> None:
    """Drop both."""
    op.drop_column("issue", "expires_at")
    op.drop_table("installation")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
