"""Suppressions: who opted out or does not exist, by number."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, bindparam, delete, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from batchwire.adapters.sql.among import IsAmong
from batchwire.adapters.sql.tables import suppressions
from batchwire.adapters.sql.times import at
from batchwire.ports.store import SuppressedNumber


class _InsertNew(Insert):
    """Leaves a row alone that is there; a dialect's own costs the import of both."""

    inherit_cache = True


@compiles(_InsertNew)
def _insert_new(statement: _InsertNew, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    plain: str = compiler.visit_insert(statement, **kw)  # type: ignore[no-untyped-call]
    return f"{plain} ON CONFLICT DO NOTHING"


_add = _InsertNew(suppressions)
_any = select(suppressions.c.number).limit(1)
_any_since = _any.where(suppressions.c.since >= bindparam("at"))
_among = select(suppressions.c.number).where(IsAmong(suppressions.c.number, "numbers"))
_behind = (
    select(suppressions)
    .where(suppressions.c.number > bindparam("after"))
    .order_by(suppressions.c.number)
    .limit(bindparam("most"))
)
_remove = delete(suppressions).where(suppressions.c.number == bindparam("gone"))


def add(conn: Connection, reasons: Mapping[str, str], since: int) -> None:
    """
    Suppress numbers, each for a reason; who is suppressed already keeps the first reason.

    In one order everywhere: two transactions that add the same wait, but in no circle.
    """
    rows = [
        {"number": number, "reason": reasons[number], "since": since}
        for number in sorted(reasons)
    ]
    if rows:
        conn.execute(_add, rows)


def is_empty(conn: Connection) -> bool:
    """Whether nobody at all is suppressed."""
    return conn.execute(_any).first() is None


def among(conn: Connection, numbers: Sequence[str]) -> set[str]:
    """Find which of the numbers are suppressed."""
    return set(conn.execute(_among, {"numbers": numbers}).scalars())


def is_any_since(conn: Connection, at_ms: int) -> bool:
    """Whether anybody is suppressed since then, Unix milliseconds."""
    return conn.execute(_any_since, {"at": at_ms}).first() is not None


def behind(conn: Connection, after: str, most: int) -> list[SuppressedNumber]:
    """Read the suppressions behind a number, in order."""
    found = conn.execute(_behind, {"after": after, "most": most})
    return [
        SuppressedNumber(number=row.number, reason=row.reason, since=at(row.since))
        for row in found
    ]


def remove(conn: Connection, numbers: Sequence[str]) -> set[str]:
    """Suppress numbers no more; returns who was."""
    found = among(conn, numbers)
    if found:
        conn.execute(_remove, [{"gone": number} for number in sorted(found)])
    return found
