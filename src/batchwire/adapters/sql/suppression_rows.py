"""Suppressions: who opted out or does not exist, by number."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, insert, select

from batchwire.adapters.sql.among import among as is_among
from batchwire.adapters.sql.tables import suppressions

_any = select(suppressions.c.number).limit(1)
_MANY_NUMBERS = 10_000  # SQLite takes 32,766 values in one statement


def add(conn: Connection, numbers: Collection[str], reason: str, since: int) -> None:
    """Suppress numbers; who is suppressed already keeps the first reason."""
    known = among(conn, list(numbers))
    rows = [
        {"number": number, "reason": reason, "since": since}
        for number in set(numbers) - known
    ]
    if rows:
        conn.execute(insert(suppressions), rows)


def is_empty(conn: Connection) -> bool:
    """Whether nobody at all is suppressed."""
    return conn.execute(_any).first() is None


def among(conn: Connection, numbers: Sequence[str]) -> set[str]:
    """Find which of the numbers are suppressed."""
    found: set[str] = set()
    for start in range(0, len(numbers), _MANY_NUMBERS):
        some = numbers[start : start + _MANY_NUMBERS]
        number = suppressions.c.number
        query = select(number).where(is_among(conn, number, some))
        found.update(conn.execute(query).scalars())
    return found
