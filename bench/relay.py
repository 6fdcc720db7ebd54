"""The relay: from the outbox to the topic, beside bare produce with delivery reports."""

import time
import uuid
from pathlib import Path

import uvloop

from batchwire.adapters.kafka.producer import KafkaProducer
from batchwire.adapters.kafka.writing import ProducerSettings
from batchwire.adapters.sql.event_doors import SqlOutbox
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.system.clock import SystemClock
from batchwire.bootstrap import spare_collections
from batchwire.events.relay import Relay
from batchwire.ports.bus import Outgoing
from bench import topics
from bench.compare import compare
from bench.figure import Figure
from bench.scratch import fresh

_EVENTS = 50_000
_AT_LEAST = 0.5
_PAGE = 5_000


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Publish a full outbox again and again, each time to a new topic."""
    count = int(_EVENTS * scale)
    records = topics.updates(count)
    with topics.broker(scratch) as brokers:

        def ours() -> float:
            topic = topics.topic(brokers)
            outgoing = [Outgoing(topic=topic, record=one) for one in records]
            return uvloop.run(_ours_s(fresh(scratch / "ours.db"), brokers, outgoing))

        def floor() -> float:
            return topics.produce_s(brokers, topics.topic(brokers), records)

        found = compare(runs, ours, floor)
    return [
        Figure(
            bench="relay",
            case=f"{count:,} events, durable until acknowledged",
            value=round(count / found.ours_s),
            unit="events/s",
            floor=round(count / found.floor_s),
            ratio=round(found.ratio, 3),
            at_least=_AT_LEAST,
            runs=runs,
        )
    ]


async def _ours_s(database: Path, brokers: str, outgoing: list[Outgoing]) -> float:
    spare_collections()
    clock = SystemClock()
    store = SqliteDatabase(str(database))
    await store.open()
    outbox = SqlOutbox(store, clock)
    for at in range(0, len(outgoing), _PAGE):
        await outbox.add(outgoing[at : at + _PAGE])
    settings = ProducerSettings(connection=topics.connection(brokers))
    producer, owner = KafkaProducer(settings), uuid.uuid4().hex
    relay = Relay(outbox, producer, clock, owner)
    await producer.open()
    await outbox.lease(owner)
    started = time.perf_counter()
    while await relay.publish_some():
        pass
    seconds = time.perf_counter() - started
    await producer.close()
    await store.close()
    if relay.published != len(outgoing):
        problem = f"{relay.published} of {len(outgoing)} events were published"
        raise RuntimeError(problem)
    return seconds
