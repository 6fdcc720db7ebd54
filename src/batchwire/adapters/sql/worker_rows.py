"""
Who is at work, and until when without a further sign it is not taken for dead.

Each says for itself how long that is. On PostgreSQL the time is the server's: no two
machines need agree on theirs.
"""

import os
import socket
from contextlib import suppress
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)

from batchwire.adapters.sql import times
from batchwire.adapters.sql.tables import chunks, workers
from batchwire.adapters.sql.times import millis
from batchwire.errors import StaleLease
from batchwire.ports.workers import PASSING, Worker

APPLICATION_NAME = "batchwire"  # of all our sessions of PostgreSQL
ENGINE = "engine"
RELAY = "relay"
IS_TIME_OF_SERVER = "is_time_of_server"  # an execution option

_server_ms = cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
_server_time = select(_server_ms)
_ours = workers.c.owner == bindparam("who")
# Who is dead is deleted; so a row that is locked here stays until we have committed.
_held, _held_when = (
    select(found)
    .select_from(workers)
    .where(_ours)
    .with_for_update(read=True, key_share=True)
    for found in (literal(0), _server_ms)
)
# Who stops between two messages of one statement is not idle to PostgreSQL, and no
# time-out of it ends that: a transaction of a process that stands still, with its locks.
_SILENT_S = 5.0
_end_silent = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user"
    " AND application_name = :name"
    " AND state = 'active' AND wait_event = 'ClientRead'"
    " AND query_start < clock_timestamp() - make_interval(secs => :silent_s)"
)
_renew = (
    update(workers)
    .where(_ours)
    .values(heard_at=bindparam("at"), dead_at=bindparam("until"))
)


def is_time_of_server(conn: Connection) -> bool:
    """Whether the database tells the time."""
    return bool(conn.get_execution_options().get(IS_TIME_OF_SERVER))


def now_ms(conn: Connection, now: datetime) -> int:
    """Give the time that counts here, in Unix milliseconds; ``now`` is our own."""
    if is_time_of_server(conn):
        return int(conn.execute(_server_time).scalar_one())
    return millis(now)


def alive(role: str) -> Select[tuple[str]]:
    """Select the owners that nobody has declared dead."""
    return select(workers.c.owner).where(workers.c.role == role)


def is_lost(owner: ColumnElement[str]) -> ColumnElement[bool]:
    """Make the condition that what this engine held is nobody's any more."""
    return owner.is_not(None) & owner.not_in(alive(ENGINE))


def join(conn: Connection, owner: str, role: str, lasts_s: float, now: datetime) -> int:
    """Say for the first time or again that we live; returns the time."""
    at_ms = now_ms(conn, now)
    until = at_ms + int(lasts_s * 1000)
    sign = {"who": owner, "at": at_ms, "until": until}
    if not conn.execute(_renew, sign).rowcount:
        row = {
            "owner": owner,
            "role": role,
            "process": f"{socket.gethostname()}:{os.getpid()}",
            "since": at_ms,
            "heard_at": at_ms,
            "dead_at": until,
        }
        conn.execute(insert(workers), row)
    return at_ms


def renew(conn: Connection, owner: str, lasts_s: float, now: datetime) -> None:
    """Say that we still live; raises ``StaleLease`` where we were declared dead."""
    at_ms = now_ms(conn, now)
    sign = {"who": owner, "at": at_ms, "until": at_ms + int(lasts_s * 1000)}
    if not conn.execute(_renew, sign).rowcount:
        raise _lost(owner)


def must_live(conn: Connection, owner: str, now: datetime) -> int:
    """
    See to it that nobody declares us dead before this transaction ends.

    Returns the time. Raises ``StaleLease`` where somebody has.
    """
    is_of_server = is_time_of_server(conn)
    query = _held_when if is_of_server else _held
    found = conn.execute(query, {"who": owner}).scalar()
    if found is None:
        raise _lost(owner)
    return int(found) if is_of_server else millis(now)


def living(conn: Connection, now: datetime) -> list[Worker]:
    """Read who is at work, by role and age."""
    at_ms = now_ms(conn, now)
    held = (
        select(func.count())
        .select_from(chunks)
        .where(chunks.c.lease_owner == workers.c.owner)
        .scalar_subquery()
    )
    query = select(workers, held.label("chunks")).where(workers.c.dead_at > at_ms)
    found = conn.execute(query.order_by(workers.c.role, workers.c.since)).all()
    return [
        Worker(
            owner=row.owner,
            role=row.role,
            process=row.process,
            since=times.at(row.since),
            heard_s=(at_ms - row.heard_at) / 1000,
            chunks=row.chunks,
        )
        for row in found
    ]


def leave(conn: Connection, owner: str) -> None:
    """Say that we work no more: what we still hold is anybody's at once."""
    conn.execute(delete(workers).where(_ours), {"who": owner})


def leave_alone(conn: Connection, owner: str) -> None:
    """Declare every other engine dead, by whoever knows that."""
    conn.execute(
        delete(workers).where(workers.c.role == ENGINE, workers.c.owner != owner)
    )


def bury(conn: Connection, role: str, at_ms: int) -> None:
    """
    Declare dead who gave no sign for too long.

    Who is just writing is left alone: he has a transaction, whatever his row says. One
    whose client fell silent in the middle of it is ended, and he is dead next time.
    """
    late = alive(role).where(workers.c.dead_at <= at_ms)
    dead = list(conn.execute(late.with_for_update(skip_locked=True)).scalars())
    if dead:
        conn.execute(delete(workers).where(workers.c.owner.in_(dead)))
    if conn.dialect.name == "postgresql" and conn.execute(late.limit(1)).first():
        conn.execute(_end_silent, {"name": APPLICATION_NAME, "silent_s": _SILENT_S})


def has_engine(conn: Connection, now: datetime) -> bool:
    """Whether some engine gave a sign in time."""
    living = alive(ENGINE).where(workers.c.dead_at > now_ms(conn, now))
    return conn.execute(living.limit(1)).first() is not None


def has_service(conn: Connection, now: datetime, *, by_age: bool) -> bool:
    """
    Whether some engine stays when a batch of its own has ended.

    Not ``by_age``: it is one of this machine, however silent; the row of one that was
    killed stands there until the next has written its own.
    """
    query = select(workers.c.process).where(
        workers.c.role == ENGINE, ~workers.c.owner.startswith(PASSING)
    )
    if by_age:
        query = query.where(workers.c.dead_at > now_ms(conn, now))
        return conn.execute(query.limit(1)).first() is not None
    return any(map(_is_running, conn.execute(query).scalars()))


def _is_running(process: str) -> bool:
    """Whether a process of this machine is still there; of others nobody here knows."""
    host, _, pid = process.rpartition(":")
    if host != socket.gethostname():
        return True
    try:
        with suppress(PermissionError):  # somebody else's
            os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def _lost(owner: str) -> StaleLease:
    return StaleLease(
        f"worker {owner} gave no sign for too long; others took over what it held"
    )
