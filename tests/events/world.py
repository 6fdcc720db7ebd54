"""The events' parts on a real SQLite file, a topic by script, a clock by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from batchwire.adapters.lists.allowed import AllowedLists
from batchwire.adapters.memory.metrics import MemoryMetrics
from batchwire.adapters.sql import observed_rows
from batchwire.adapters.sql.event_doors import SqlDeadLetters, SqlInbox, SqlOutbox
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.dead_letter import DeadLetter
from batchwire.domain.observed import ObservedState
from batchwire.engine.control import Control
from batchwire.engine.intake import Intake
from batchwire.events.consumer import BatchMessageConsumer
from batchwire.events.handlers import BatchHandlers, Handler, RequestDefaults
from batchwire.events.settings import BatchEventServiceConfig, KafkaConsumerConfig
from batchwire.messages.message import MessageType
from batchwire.ports.dead_letters import Filter
from batchwire.ports.inbox import Inbox
from batchwire.ports.provider import ProviderTraits
from batchwire.testing.clock import ManualClock
from batchwire.testing.events import ScriptedSubscription

PROVIDERS = {
    "scripted": ProviderTraits(name="scripted"),
    "keyed": ProviderTraits(name="keyed", honours_idempotency_key=True),
}


def config(**consumer: Any) -> BatchEventServiceConfig:  # noqa: ANN401 - as the class
    """Make settings whose consumer has one member unless told otherwise."""
    return BatchEventServiceConfig(
        consumer=KafkaConsumerConfig(**({"consumers": 1} | consumer)), retries=2
    )


@dataclass
class World:
    """One database with everything that a consumer works on."""

    database: SqliteDatabase
    clock: ManualClock
    metrics: MemoryMetrics = field(default_factory=MemoryMetrics)
    lists_below: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.store = SqlStore(self.database, self.clock)
        self.inbox = SqlInbox(self.database, self.clock)
        self.outbox = SqlOutbox(self.database, self.clock)
        self.dead_letters = SqlDeadLetters(self.database, self.clock)

    def handlers(self) -> Mapping[MessageType, Handler]:
        """Give the table of a service that has two providers."""
        intake, control = (
            Intake(self.store, self.clock),
            Control(self.store, self.clock),
        )
        defaults = RequestDefaults(
            providers=PROVIDERS, provider="scripted", region="GB", chunk_size=7
        )
        return BatchHandlers(
            intake, control, AllowedLists(self.lists_below, self.store), defaults
        ).table()

    def consumer(
        self,
        *subscriptions: ScriptedSubscription,
        settings: BatchEventServiceConfig | None = None,
        handlers: Mapping[MessageType, Handler] | None = None,
        inbox: Inbox | None = None,
    ) -> BatchMessageConsumer:
        """Make a consumer of these."""
        return BatchMessageConsumer(
            subscriptions,
            inbox or self.inbox,
            self.handlers() if handlers is None else handlers,
            self.clock,
            settings or config(),
            self.metrics,
        )

    @asynccontextmanager
    async def running(self, consumer: BatchMessageConsumer) -> AsyncIterator[None]:
        """Consume meanwhile; the consumer must not have broken."""
        stop = asyncio.Event()
        task = asyncio.create_task(consumer.run(stop))
        for one in consumer.subscriptions:
            assert isinstance(one, ScriptedSubscription)
            await one.is_open.wait()
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 10)

    async def passing(
        self, condition: Callable[[], bool], step_s: float = 0.5, most_s: float = 900.0
    ) -> float:
        """Let time go by until a condition is true; returns how many seconds went."""
        began = self.clock.monotonic()
        while not condition():
            assert self.clock.monotonic() - began < most_s, "it took too long"
            await self.clock.advance(step_s)
            await asyncio.sleep(0.004)  # threads of the database work meanwhile
        return self.clock.monotonic() - began

    async def observed(self, batch_id: str = "b1") -> ObservedState | None:
        """Read an observed batch."""
        return await self.database.read(observed_rows.one, batch_id)

    async def letters(self) -> list[DeadLetter]:
        """Read the dead letters."""
        return await self.dead_letters.find(Filter())
