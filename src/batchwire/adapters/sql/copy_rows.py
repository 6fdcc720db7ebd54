"""
Rows of any table, read by portions and put into another database.

Nothing here names a column: what is in ``tables.metadata`` is copied, but for who is at
work. Nobody there works on the copy.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    LargeBinary,
    Table,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
)

from batchwire.adapters.sql.bulk import Bulk, Row
from batchwire.adapters.sql.tables import metadata, workers

TABLES: Sequence[Table] = [t for t in metadata.sorted_tables if t is not workers]

# Rows of a portion. Those with blobs are 10 to 20 KB as a rule, and 500 KB at the worst.
_MANY = 5000
_MANY_BLOBS = 256

_encode = msgspec.msgpack.Encoder().encode
_serial = text("SELECT pg_get_serial_sequence(:table, :column)")
_seq = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
_forget_seq = text("DELETE FROM sqlite_sequence WHERE name = :name")
_keep_seq = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :at)")


def counts(conn: Connection) -> dict[str, int]:
    """Count the rows of each table that has some."""
    found = {t.name: _count(conn, t) for t in TABLES}
    return {name: count for name, count in found.items() if count}


def page(conn: Connection, table: Table, after: Row) -> list[Row]:
    """Read the rows after a key, in its order; after the empty key all."""
    key = list(table.primary_key)
    has_blobs = any(isinstance(one.type, LargeBinary) for one in table.columns)
    query = select(table).order_by(*key).limit(_MANY_BLOBS if has_blobs else _MANY)
    if after:
        last = [literal(v, one.type) for v, one in zip(after, key, strict=True)]
        query = query.where(tuple_(*key) > tuple_(*last))
    return [tuple(row) for row in conn.execute(query)]


def key_of(table: Table, row: Row) -> Row:
    """Give the primary key of a row."""
    places = {one.name: place for place, one in enumerate(table.columns)}
    return tuple(row[places[one.name]] for one in table.primary_key)


def content(rows: Sequence[Row]) -> int:
    """
    Give a number that stands for these rows; those of portions add up to a table's.

    Their order is left out, for each database sorts texts in its own way.
    """
    return sum(
        int.from_bytes(blake2b(_encode(row), digest_size=16).digest()) for row in rows
    )


def put(conn: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows as they are, their ids too."""
    Bulk(insert(table), [one.name for one in table.columns]).execute(conn, rows)


def clear(conn: Connection) -> None:
    """Empty every table, and let its ids begin anew."""
    if conn.dialect.name == "postgresql":
        names = ", ".join(table.name for table in TABLES)
        conn.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
        return
    for table in TABLES:
        conn.execute(delete(table))
        conn.execute(_forget_seq, {"name": table.name})


def last_ids(conn: Connection) -> dict[str, int]:
    """Give the last id that each table gave out, also where its row is gone."""
    return {
        t.name: _last_id(conn, t) for t in TABLES if t.autoincrement_column is not None
    }


def keep_last_ids(conn: Connection, last: dict[str, int]) -> None:
    """Let each table go on after the last id of another database."""
    for table in TABLES:
        at = last.get(table.name, 0)
        sequence = _sequence(conn, table)
        if not at:
            continue
        if sequence:
            setval = func.setval(sequence, at)
            conn.execute(select(setval))
        elif table.dialect_options["sqlite"]["autoincrement"]:
            conn.execute(_forget_seq, {"name": table.name})
            conn.execute(_keep_seq, {"name": table.name, "at": at})


def _count(conn: Connection, table: Table) -> int:
    return conn.execute(select(func.count()).select_from(table)).scalar_one()


def _last_id(conn: Connection, table: Table) -> int:
    key: Any = table.autoincrement_column
    most = conn.execute(select(func.max(key))).scalar() or 0
    sequence = _sequence(conn, table)
    if sequence:
        query = f"SELECT last_value FROM {sequence} WHERE is_called"  # noqa: S608 - its own
        return max(most, conn.execute(text(query)).scalar() or 0)
    if conn.dialect.name == "sqlite":
        return max(most, conn.execute(_seq, {"name": table.name}).scalar() or 0)
    return most


def _sequence(conn: Connection, table: Table) -> str:
    """Name the sequence of a table's ids; empty where it has none."""
    key = table.autoincrement_column
    if key is None or conn.dialect.name != "postgresql":
        return ""
    asked = {"table": table.name, "column": key.name}
    return conn.execute(_serial, asked).scalar() or ""
