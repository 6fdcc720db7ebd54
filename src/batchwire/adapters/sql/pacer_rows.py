"""Shared rates: a row a pacer, locked for the moment of a reservation."""

import math
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.types import Float

from batchwire.adapters.sql.tables import pacers
from batchwire.adapters.sql.worker_rows import is_time_of_server
from batchwire.domain.rationing import Ask, Grant, Rate, grant, of_batch

_MICROS = 1_000_000
_IDLE_S = 3600  # a batch's row that is older says nothing that a new one would not

_is_named = pacers.c.name == bindparam("pacer")
_locked = select(pacers).where(_is_named).with_for_update()
_reserved = update(pacers).where(_is_named)
_server_time = select(cast(func.extract("epoch", func.clock_timestamp()), Float))
_idle = delete(pacers).where(
    pacers.c.name.startswith(of_batch(""), autoescape=True),
    pacers.c.reserved_until < bindparam("before"),
)


def reserve(conn: Connection, asks: Sequence[Ask], now: datetime) -> list[Grant]:
    """Reserve slots, in the order of the names: so two that ask do not wait in a ring."""
    return [_reserve(conn, ask, now) for ask in sorted(asks, key=lambda a: a.name)]


def rates(conn: Connection) -> dict[str, Rate]:
    """Read the rates that were set."""
    query = select(pacers).where(pacers.c.rate_parts_per_s.is_not(None))
    return {row.name: _rate(row) for row in conn.execute(query)}


def set_rate(conn: Connection, name: str, rate: Rate | None, now: datetime) -> None:
    """
    Set a rate; slots begin now.

    A slower one is not held up by slots that a faster one reserved, and no burst comes
    with the change.
    """
    _of(conn, name, now)
    values = {
        "rate_parts_per_s": rate.parts_per_s if rate else None,
        "burst": rate.burst if rate else None,
        "reserved_until": math.ceil(_seconds(conn, now) * _MICROS),
    }
    conn.execute(_reserved.values(**values), {"pacer": name})


def _reserve(conn: Connection, ask: Ask, now: datetime) -> Grant:
    row = _of(conn, ask.name, now)
    rate = ask.rate if row.rate_parts_per_s is None else _rate(row)
    at_s = _seconds(conn, now)  # after the lock: slots are handed out in order of time
    given, until_s = grant(ask, rate, row.reserved_until / _MICROS, at_s)
    if given.parts:
        until = math.ceil(until_s * _MICROS)
        conn.execute(_reserved.values(reserved_until=until), {"pacer": ask.name})
    return given


def _of(
    conn: Connection, name: str, now: datetime
) -> Row[tuple[str, float, float, int]]:
    """Read and lock the row; a new one is made where there is none."""
    row = conn.execute(_locked, {"pacer": name}).one_or_none()
    if row is None:
        conn.execute(_idle, {"before": int((_seconds(conn, now) - _IDLE_S) * _MICROS)})
        conn.execute(insert(pacers), {"name": name, "reserved_until": 0})
        row = conn.execute(_locked, {"pacer": name}).one()
    return row


def _rate(row: Row[tuple[str, float, float, int]]) -> Rate:
    return Rate(parts_per_s=row.rate_parts_per_s, burst=row.burst or 0.0)


def _seconds(conn: Connection, now: datetime) -> float:
    """Give the time that counts: where several machines may ask, the server's."""
    if is_time_of_server(conn):
        return float(conn.execute(_server_time).scalar_one())
    return now.timestamp()
