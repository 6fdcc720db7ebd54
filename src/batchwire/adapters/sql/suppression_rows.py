"""Suppressions: who opted out or does not exist, by number."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, insert, select

from batchwire.adapters.sql.tables import suppressions

_MANY_NUMBERS = 10_000  # both databases take some 32,000 values in one statement


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
    return conn.execute(select(suppressions.c.number).limit(1)).first() is None


def among(conn: Connection, numbers: Sequence[str]) -> set[str]:
    """Find which of the numbers are suppressed."""
    found: set[str] = set()
    for start in range(0, len(numbers), _MANY_NUMBERS):
        some = numbers[start : start + _MANY_NUMBERS]
        query = select(suppressions.c.number).where(suppressions.c.number.in_(some))
        found.update(conn.execute(query).scalars())
    return found
