"""Ours as a consumer of a real topic, the parts as ``bootstrap`` puts them together."""

import asyncio
import time
import uuid
from pathlib import Path

from batchwire.adapters.kafka.member_settings import SubscriptionSettings
from batchwire.adapters.kafka.subscription import KafkaSubscription
from batchwire.adapters.memory.metrics import MemoryMetrics
from batchwire.adapters.sql.event_doors import SqlInbox
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.system.clock import SystemClock
from batchwire.bootstrap import spare_collections
from batchwire.events.arrivals import Received
from batchwire.events.consumer import BatchMessageConsumer
from batchwire.events.handlers import Handler
from batchwire.events.settings import BatchEventServiceConfig, KafkaConsumerConfig
from batchwire.messages.message import MessageType
from batchwire.ports.inbox import Effect
from bench import topics

PROCESSORS = 8
_LOOK_S = 0.002


async def consume_s(
    database: Path, brokers: str, topic: str, count: int, handler: Handler
) -> float:
    """Consume ``count`` status updates; seconds from the first handled to the last stored."""
    spare_collections()
    clock = SystemClock()
    store = SqliteDatabase(str(database))
    await store.open()
    started = 0.0

    async def timed(received: Received) -> Effect:
        nonlocal started
        started = started or time.perf_counter()
        return await handler(received)

    group = uuid.uuid4().hex
    settings = KafkaConsumerConfig(
        topic=topic, group_id=group, processors=PROCESSORS, consumers=1
    )
    member = KafkaSubscription(
        SubscriptionSettings(
            connection=topics.connection(brokers),
            topic=topic,
            group_id=group,
            batch_records=settings.most_at_once,
        )
    )
    consumer = BatchMessageConsumer(
        [member],
        SqlInbox(store, clock),
        {MessageType.BATCH_STATUS_UPDATE: timed},
        clock,
        BatchEventServiceConfig(consumer=settings),
        MemoryMetrics(),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    while consumer.outcomes["ok"] + consumer.outcomes["stale"] < count:
        await asyncio.sleep(_LOOK_S)
        if running.done():
            break
    seconds = time.perf_counter() - started
    stop.set()
    await running
    await store.close()
    return seconds
