"""
Consuming: durable and deduplicated events, beside a bare loop and beside FastStream.

Status updates of 2,000 observed batches on a real broker, read from the first to the
last. The bare loop decodes the JSON and drops it; FastStream's subscriber has an empty
handler.
"""

import asyncio
import importlib
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from batchwire.events.handlers import status_update
from bench import topics
from bench.compare import compare
from bench.consuming import consume_s
from bench.figure import Figure
from bench.scratch import fresh

_EVENTS = 50_000
_AT_LEAST, _AT_LEAST_PEER = 0.15, 2.0
_LOOK_S = 0.002


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Read one topic again and again, each time as a new group into an empty file."""
    count = int(_EVENTS * scale)
    with topics.broker(scratch) as brokers:
        topic = topics.topic(brokers)
        topics.fill(brokers, topic, topics.updates(count))

        def ours() -> float:
            database = fresh(scratch / "ours.db")
            return uvloop.run(consume_s(database, brokers, topic, count, status_update))

        def floor() -> float:
            return _floor_s(brokers, topic, count)

        def peer() -> float:
            return uvloop.run(_peer_s(brokers, topic, count))

        return [
            _figure("a bare loop", count, runs, _AT_LEAST, ours, floor),
            _figure("FastStream, no work", count, runs, _AT_LEAST_PEER, ours, peer),
        ]


def _figure(
    beside: str,
    count: int,
    runs: int,
    at_least: float,
    ours: Callable[[], float],
    other: Callable[[], float],
) -> Figure:
    found = compare(runs, ours, other)
    return Figure(
        bench="consume",
        case=f"{count:,} events beside {beside}",
        value=round(count / found.ours_s),
        unit="events/s",
        floor=round(count / found.floor_s),
        ratio=round(found.ratio, 3),
        at_least=at_least,
        runs=runs,
    )


def _floor_s(brokers: str, topic: str, count: int) -> float:
    """Poll, decode the JSON, drop it."""
    consumer = topics.bare_consumer(brokers, topic)
    started, seen = 0.0, 0
    while seen < count:
        records = consumer.consume(500, 0.1)
        if records and not started:
            started = time.perf_counter()
        for record in records:
            msgspec.json.decode(record.value() or b"")
        seen += len(records)
    seconds = time.perf_counter() - started
    consumer.close()
    return seconds


async def _peer_s(brokers: str, topic: str, count: int) -> float:
    """Let FastStream hand each event to a handler that does nothing."""
    # Not an import statement: the other benches need no peer (`make peers` installs it).
    broker = importlib.import_module("faststream.confluent").KafkaBroker(
        brokers, logger=None
    )
    started, seen, has_all = 0.0, 0, asyncio.Event()

    async def handle(_: dict[str, object]) -> None:
        nonlocal started, seen
        started = started or time.perf_counter()
        seen += 1
        if seen == count:
            has_all.set()

    group = f"peer-{uuid.uuid4().hex}"
    broker.subscriber(topic, group_id=group, auto_offset_reset="earliest")(handle)
    async with broker:
        await broker.start()
        await has_all.wait()
        return time.perf_counter() - started
