"""Many values in one statement."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, String, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY


def among(
    conn: Connection, column: Column[Any], values: Sequence[str]
) -> ColumnElement[bool]:
    """
    Say that a column has one of the texts.

    PostgreSQL takes them as one array: a parameter each costs it three times as much.
    """
    if conn.dialect.name == "postgresql":
        return column == any_(literal(values, ARRAY(String)))
    return column.in_(values)
