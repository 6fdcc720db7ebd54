"""The embedded topic: one partition, appended in order, read by groups."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from batchwire.adapters.sql.record_rows import packed, unpacked
from batchwire.adapters.sql.tables import positions, records, topics
from batchwire.adapters.sql.times import millis
from batchwire.domain.record import Place, Record
from batchwire.ports.bus import Outgoing

GONE_AFTER = timedelta(seconds=10)  # a member that does not renew its right to read

_next = (
    update(topics)
    .where(topics.c.topic == bindparam("name"))
    .values(next=topics.c.next + bindparam("count"))
    .returning(topics.c.next)
)
_read = (
    select(records.c.position, records.c.record, records.c.at)
    .where(records.c.topic == bindparam("name"), records.c.position >= bindparam("at"))
    .order_by(records.c.position)
    .limit(bindparam("most"))
)
_head = (
    select(records.c.position, records.c.at)
    .where(records.c.topic == bindparam("name"), records.c.position >= bindparam("at"))
    .order_by(records.c.position)
    .limit(bindparam("most"))
)
_forget = delete(records).where(
    records.c.topic == bindparam("name"), records.c.position <= bindparam("at")
)
_held = update(positions).where(
    positions.c.topic == bindparam("name"),
    positions.c.group_id == bindparam("group"),
    positions.c.owner == bindparam("who"),
)


def append(conn: Connection, outgoing: Sequence[Outgoing], now: datetime) -> None:
    """Append to the topics; the row of a topic is the lock that keeps its order."""
    by_topic: dict[str, list[Record]] = {}
    for one in outgoing:
        by_topic.setdefault(one.topic, []).append(one.record)
    for topic, some in sorted(by_topic.items()):
        end = conn.execute(_next, {"name": topic, "count": len(some)}).scalar()
        if end is None:
            conn.execute(insert(topics), {"topic": topic, "next": len(some)})
            end = len(some)
        first = end - len(some)
        conn.execute(
            insert(records),
            [
                {
                    "topic": topic,
                    "position": first + i,
                    "record": packed(record),
                    "at": millis(now),
                }
                for i, record in enumerate(some)
            ],
        )


def read(conn: Connection, topic: str, at: int, most: int) -> list[Record]:
    """Read records from a position on, each with its place."""
    return [
        msgspec.structs.replace(
            unpacked(row.record), place=Place(topic, 0, row.position), at_ms=row.at
        )
        for row in conn.execute(_read, {"name": topic, "at": at, "most": most})
    ]


def lag(conn: Connection, topic: str, at: int) -> int:
    """Count the records from a position on that are not forgotten."""
    query = select(topics.c.next).where(topics.c.topic == topic)
    end: int = conn.execute(query).scalar() or 0
    start = conn.execute(_head, {"name": topic, "at": at, "most": 1}).scalar()
    return 0 if start is None else max(0, end - start)


def take(
    conn: Connection, topic: str, group: str, owner: str, now: datetime
) -> int | None:
    """Take or renew the right to read for a group; the position, None if another has it."""
    here = (positions.c.topic == topic) & (positions.c.group_id == group)
    row = conn.execute(select(positions).where(here).with_for_update()).first()
    ours = {"owner": owner, "renewed_at": millis(now)}
    if row is None:
        new = {"topic": topic, "group_id": group, "next": 0}
        conn.execute(insert(positions), {**new, **ours})
        return 0
    is_free = not row.owner or row.renewed_at < millis(now - GONE_AFTER)
    if row.owner != owner and not is_free:
        return None
    conn.execute(update(positions).where(here), ours)
    return int(row.next)


def commit(conn: Connection, topic: str, group: str, owner: str, at: int) -> None:
    """Say how far a group has read, where the owner still has the right."""
    conn.execute(_held, {"name": topic, "group": group, "who": owner, "next": at})


def leave(conn: Connection, topic: str, group: str, owner: str) -> None:
    """Give the right to read back."""
    conn.execute(_held, {"name": topic, "group": group, "who": owner, "owner": ""})


def purge(conn: Connection, before: datetime, most: int) -> int:
    """
    Forget the oldest records of one topic, read or not, at most so many.

    As on Kafka their age decides alone: who reads more slowly than that misses some.
    """
    for topic in conn.execute(select(topics.c.topic)).scalars().all():
        rows = conn.execute(_head, {"name": topic, "at": 0, "most": most})
        old = list(takewhile(lambda row: row.at < millis(before), rows))
        if old:
            conn.execute(_forget, {"name": topic, "at": old[-1].position})
            return len(old)
    return 0
