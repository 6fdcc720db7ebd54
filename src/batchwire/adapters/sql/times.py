"""Times as the database keeps them: Unix milliseconds."""

from datetime import UTC, datetime


def millis(moment: datetime) -> int:
    """Unix milliseconds."""
    return int(moment.timestamp() * 1000)


def at(at_ms: int) -> datetime:
    """Read Unix milliseconds back as an aware time."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def moment(at_ms: int | None) -> datetime | None:
    """As ``at``, where there may be none."""
    return None if at_ms is None else at(at_ms)
