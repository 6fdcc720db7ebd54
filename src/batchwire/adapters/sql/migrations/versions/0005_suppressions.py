"""Suppressions by time: what every engine looks at once a second."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Index them."""
    op.create_index("suppressions_by_time", "suppressions", ["since"])
