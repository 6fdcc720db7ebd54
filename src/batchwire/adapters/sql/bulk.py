"""
Many rows by one prepared statement.

``Connection.execute`` with a list of rows looks at each parameter of each row again;
where thousands of rows are written that costs more than the database does. The
statement is the same, compiled once a dialect; the rows are tuples that the driver takes
as they are.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler

Row = tuple[Any, ...]


class Bulk:
    """A statement for many rows; ``columns`` names the values of a row, in order."""

    def __init__(self, statement: Executable, columns: Sequence[str]) -> None:
        self._statement = statement
        self._columns = tuple(columns)
        self._compiled = cache(self._compile)

    def execute(self, conn: Connection, rows: Sequence[Row]) -> None:
        """Run it for each row; nothing where there is none."""
        if rows:
            conn.exec_driver_sql(self._compiled(conn.dialect), list(rows))

    def _compile(self, dialect: Dialect) -> str:
        compiled = self._statement.compile(  # type: ignore[attr-defined]
            dialect=dialect, column_keys=self._columns
        )
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what dialects give
        if tuple(compiled.positiontup or ()) != self._columns:
            message = f"the statement takes {compiled.positiontup}, in this order"
            raise ValueError(message)
        return str(compiled)
