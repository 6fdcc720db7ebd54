"""
Batch events out of a system that has its own batches, in three lines.

::

    from batchwire.integration import connect
    events = connect(brokers="localhost:9092", source="/billing")
    events.on_sms_batch_created("b1", "u1", ["+4915112345678"], "Hello", {})

``pip install batchwire[kafka]`` has what it needs. Beside ``bootstrap``, which puts the
whole service together: a host that only reports loads no database and no provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from batchwire.adapters.kafka.producer import KafkaProducer
from batchwire.adapters.kafka.writing import ProducerSettings
from batchwire.adapters.spool import Spool, SpoolLimits, SpoolOutbox
from batchwire.adapters.system.clock import SystemClock
from batchwire.config import load
from batchwire.errors import SettingsError
from batchwire.events.host_records import HostRecords
from batchwire.events.integration import (
    BatchEventIntegration,
    IntegrationMetrics,
    Parts,
)
from batchwire.events.settings import TOPIC, BatchEventServiceConfig

__all__ = [
    "BatchEventIntegration",
    "IntegrationMetrics",
    "IntegrationSettings",
    "connect",
    "integrated",
]

SPOOL = "batchwire-spool"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationSettings:
    """
    How a host reports.

    - ``producer``: how the brokers are reached and records go out.
    - ``source``: CloudEvents ``source``, names this system. The one of a Batchwire
      service must be another: it takes what bears its own for an echo.
    - ``topic``: where the records go.
    - ``type_prefix``: reverse domain before the message type in ``ce_type``.
    - ``spool``: the directory of what waits, on a local disk that outlives the process;
      one for all processes of this system, and for one Kafka cluster.
    - ``limits``: bounds of the spool, for each process.
    """

    producer: ProducerSettings
    source: str
    topic: str = TOPIC
    type_prefix: str = "io.batchwire"
    spool: Path = Path(SPOOL)
    limits: SpoolLimits = field(default_factory=SpoolLimits)


def connect(
    *,
    brokers: str = "",
    source: str = "",
    topic: str = "",
    spool: str = SPOOL,
    environ: Mapping[str, str] | None = None,
) -> BatchEventIntegration:
    """
    Make the integration; returns at once, the broker may be away.

    What is not given comes from the environment (``KAFKA_BROKERS``, ``KAFKA_TOPIC``,
    ``BATCHWIRE_BATCH_EVENTS__…``, TLS and SASL among them) or from ``batchwire.yaml``,
    as for the service. ``spool`` is the directory of what waits; bounds: ``integrated``.

    Raises:
        SettingsError: a setting is bad, or there are no brokers or no source.

    """
    given = {
        "batch_events.kafka.brokers": brokers or None,
        "batch_events.kafka.topic": topic or None,
        "batch_events.source": source or None,
    }
    group = load(overrides=given, environ=environ).batch_events
    kafka = group.kafka
    if not kafka.brokers:
        raise SettingsError("no brokers are given: connect(brokers=…) or KAFKA_BROKERS")
    if group.source == BatchEventServiceConfig().source:
        problem = f"{group.source} is the service's own: connect(source='/billing')"
        raise SettingsError(f"batch_events.source: {problem}")
    settings = IntegrationSettings(
        producer=ProducerSettings(
            connection=kafka.connection(),
            compression=kafka.compression,
            batch_size=kafka.batch_size,
            batch_timeout_s=kafka.batch_timeout,
        ),
        source=group.source,
        topic=kafka.topic,
        type_prefix=group.type_prefix,
        spool=Path(spool),
    )
    return integrated(settings)


def integrated(settings: IntegrationSettings) -> BatchEventIntegration:
    """Make the integration of these settings; returns at once."""
    if not structlog.is_configured():
        _log_as_the_host_does()
    records = HostRecords(settings.source, settings.type_prefix, settings.topic)
    directory = settings.spool.absolute()  # the host may change its working directory

    def outbox() -> SpoolOutbox:
        own = Spool(directory, settings.limits)
        return SpoolOutbox(directory, own, records.outgoing)

    def producer() -> KafkaProducer:
        return KafkaProducer(settings.producer)

    return BatchEventIntegration(
        Parts(outbox=outbox, producer=producer, clock=SystemClock())
    )


def _log_as_the_host_does() -> None:
    """Log through the standard library, as ``batchwire.…``; structlog would print."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
