"""Rates that all processes share."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add what is reserved of each rate, and the rates that are set while we run."""
    op.create_table(
        "pacers",
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("rate_parts_per_s", sa.Float(), nullable=True),
        sa.Column("burst", sa.Float(), nullable=True),
        sa.Column("reserved_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
