"""Times as the database keeps them: Unix milliseconds."""

from datetime import UTC, datetime


def millis(moment: datetime) -> int:
    """Unix milliseconds."""
    return int(moment.timestamp() * 1000)


def moment(at_ms: int | None) -> datetime | None:
    """Read Unix milliseconds back as an aware time."""
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
