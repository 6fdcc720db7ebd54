"""The event service: on Kafka where brokers are named, else on the database itself."""

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import structlog

from batchwire.adapters.lists.allowed import AllowedLists
from batchwire.adapters.memory.metrics import MemoryMetrics
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.embedded_bus import EmbeddedProducer, EmbeddedSubscription
from batchwire.adapters.sql.event_doors import SqlDeadLetters, SqlInbox, SqlOutbox
from batchwire.adapters.sql.observed_door import SqlObserved
from batchwire.config import Settings
from batchwire.engine.control import Control
from batchwire.engine.intake import Intake
from batchwire.errors import SettingsError
from batchwire.events.consumer import BatchMessageConsumer
from batchwire.events.handlers import BatchHandlers, Handler, RequestDefaults
from batchwire.events.publisher import BatchEventPublisher
from batchwire.events.redrive import Redriver
from batchwire.events.relay import Relay
from batchwire.events.service import BatchEventService, ServiceParts
from batchwire.messages.message import MessageType
from batchwire.ports.bus import Producer, Subscription
from batchwire.ports.clock import Clock
from batchwire.ports.metrics import Metrics
from batchwire.ports.observed import ObservedBatches
from batchwire.ports.provider import Provider
from batchwire.ports.store import Store

log = structlog.get_logger()

Handlers = Mapping[MessageType, Handler]


class Events:
    """The doors of the events on one database, and the service that works on them."""

    def __init__(
        self, settings: Settings, database: Database, clock: Clock, handlers: Handlers
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._handlers = handlers
        self._config = settings.batch_events.build()
        self.outbox = SqlOutbox(database, clock)
        self.inbox = SqlInbox(database, clock)
        self.dead_letters = SqlDeadLetters(database, clock)
        self.observed: ObservedBatches = SqlObserved(database, clock)
        self.publisher = BatchEventPublisher(self.outbox, clock, self._config)

    def service(
        self, *, consumes: bool, relays: bool, metrics: Metrics | None = None
    ) -> BatchEventService:
        """
        Make the service with the loops that this process is to run.

        Raises:
            SettingsError: brokers are named, and what they need is not installed.

        """
        told = metrics or MemoryMetrics()
        self._say_where()
        parts = ServiceParts(
            publisher=self.publisher,
            outbox=self.outbox,
            outbox_max_rows=self._config.outbox_max_rows,
            consumer=(lambda: self._consumer(told)) if consumes else None,
            relay=self._relay() if relays else None,
        )
        return BatchEventService(parts, self._clock, told)

    def _say_where(self) -> None:
        """Log whose events are taken, and from where; never how we prove who we are."""
        consumer = self._config.consumer
        log.info(
            "batch_events",
            brokers=",".join(consumer.brokers) or "none: the database",
            topic=consumer.topic,
            group=consumer.group_id,
            source=self._config.source,
        )

    def redriver(self) -> Redriver:
        """Make what puts dead letters back on their topics; nobody reads its figures."""
        told, most = MemoryMetrics(), self._config.max_replays
        return Redriver(self.dead_letters, self._clock, told, most)

    def _relay(self) -> Relay:
        owner = uuid4().hex
        return Relay(self.outbox, self._producer(), self._clock, owner)

    def _consumer(self, metrics: Metrics) -> BatchMessageConsumer:
        return BatchMessageConsumer(
            self._subscriptions(),
            self.inbox,
            self._handlers,
            self._clock,
            self._config,
            metrics,
        )

    def _producer(self) -> Producer:
        if not self._config.kafka.brokers:
            return EmbeddedProducer(self._database, self._clock)
        producer: Producer = kafka().producer(self._settings)
        return producer

    def _subscriptions(self) -> list[Subscription]:
        consumer = self._config.consumer
        if not consumer.brokers:
            one = EmbeddedSubscription(
                self._database,
                self._clock,
                consumer.topic,
                consumer.group_id,
                most=consumer.most_at_once,
            )
            return [one]
        members = range(consumer.consumers)
        return [kafka().subscription(self._settings, n) for n in members]


def kafka(module: str = "kafka") -> Any:  # noqa: ANN401 - a module
    """
    Give the module of ``bootstrap`` that makes the Kafka adapters.

    Raises:
        SettingsError: what Kafka needs is not installed.

    """
    if importlib.util.find_spec("confluent_kafka") is None:
        message = (
            "batch_events.kafka.brokers: Kafka needs confluent-kafka;"
            " `pip install 'batchwire[kafka]'` installs it"
        )
        raise SettingsError(message)
    # Not an import statement: who has no brokers need not have, nor load, its client.
    return importlib.import_module(f"batchwire.bootstrap.{module}")


def batch_handlers(
    settings: Settings,
    store: Store,
    intake: Intake,
    control: Control,
    providers: Mapping[str, Provider],
) -> Handlers:
    """Make the table of who handles which message of others."""
    defaults = RequestDefaults(
        providers={name: one.traits for name, one in providers.items()},
        provider=settings.default_provider,
        region=settings.default_region or "",
        chunk_size=settings.engine.chunk_size,
    )
    lists = AllowedLists(settings.batch_events.lists, store)
    return BatchHandlers(intake, control, lists, defaults).table()
