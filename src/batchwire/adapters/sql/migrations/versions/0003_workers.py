"""Several engines: when each is taken for dead, and who prepares a batch."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what engines need that work as one; rows of workers come again with them."""
    op.add_column(
        "workers",
        sa.Column("dead_at", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.drop_column("workers", "heartbeat_at")
    op.add_column(
        "batches", sa.Column("prepared_by", sa.String(length=64), nullable=True)
    )
    op.create_index(
        "batches_in_preparation",
        "batches",
        ["prepared_by"],
        unique=False,
        sqlite_where=sa.text("prepared_by IS NOT NULL"),
        postgresql_where=sa.text("prepared_by IS NOT NULL"),
    )
