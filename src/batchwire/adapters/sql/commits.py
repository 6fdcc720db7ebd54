"""
Whether a commit happened whose answer was lost (PostgreSQL).

Each connection has one row, and each of its transactions leaves its number there. Who
lost the connection while it committed asks whether the number stands. Not asked is
``pg_xact_status``: a server that crashes may give the same transaction id once more.
"""

import secrets
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    MetaData,
    String,
    Table,
    delete,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import insert

metadata = MetaData()
commits = Table(
    "commits",
    metadata,
    Column("connection", String(32), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

_new = insert(commits)
_leave = _new.on_conflict_do_update(
    index_elements=["connection"],
    set_={"number": _new.excluded.number, "at": func.now()},
)
_ask = _new.on_conflict_do_update(
    index_elements=["connection"], set_={"at": func.now()}
).returning(commits.c.number)
_old = delete(commits).where(commits.c.at < func.now() - text("interval '1 day'"))


class Mark(NamedTuple):
    """What a transaction leaves."""

    connection: str
    number: int


def leave(conn: Connection) -> Mark:
    """
    Leave the mark of this transaction, as its last statement.

    A new connection removes the marks of those that are long gone.
    """
    own = conn.info.setdefault("commits", secrets.token_hex(8))
    number = conn.info["number"] = conn.info.get("number", 0) + 1
    mark = Mark(own, number)
    if number == 1:
        conn.execute(_old)
    conn.execute(_leave, mark._asdict())
    return mark


def stands(conn: Connection, mark: Mark) -> bool:
    """
    Say whether the transaction that left the mark was committed.

    Writes the row too: so it waits for a server process that is still committing.
    """
    asked = {"connection": mark.connection, "number": 0}
    return conn.execute(_ask, asked).scalar() == mark.number
