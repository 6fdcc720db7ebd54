"""Rates that all processes share; of each worker, who and since when."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add what is reserved of each rate, those that are set, and what workers tell."""
    op.create_table(
        "pacers",
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("rate_parts_per_s", sa.Float(), nullable=True),
        sa.Column("burst", sa.Float(), nullable=True),
        sa.Column("reserved_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column(
        "workers",
        sa.Column("process", sa.String(320), server_default="", nullable=False),
    )
    for name in ("since", "heard_at"):
        op.add_column(
            "workers",
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False),
        )
