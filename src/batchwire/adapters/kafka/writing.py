"""Writing, in the thread that owns the client: librdkafka's producer, round by round."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from batchwire.adapters.kafka.connection import (
    Configuration,
    KafkaConnectionSettings,
    configuration,
)
from batchwire.adapters.kafka.logs import BrokerState, BrokerWatch
from batchwire.adapters.kafka.translation import ours
from batchwire.errors import (
    BrokerError,
    BrokerRefused,
    BrokerUnreachable,
    RecordTooLarge,
)
from batchwire.ports.bus import Outgoing

# How soon a writer that waits for the broker sees that it must let go.
STEP_S: Final = 0.2
# New producers one after another, before a record goes back to its sender.
ROUNDS: Final = 4

Refused = dict[int, KafkaError]

# The producer ended, or was made to, and the record may have been written all the same.
_AGAIN = {
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "UNKNOWN_PRODUCER_ID",
    "INVALID_PRODUCER_EPOCH",
    "PRODUCER_FENCED",
    "_FATAL",
    "_GAPLESS_GUARANTEE",
    "_PURGE_INFLIGHT",
    "_PURGE_QUEUE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerSettings:
    """
    How records go out.

    - ``compression``: gzip, snappy, lz4, zstd or none.
    - ``batch_size``, ``batch_timeout_s``: most records of one producer batch, and the
      longest it waits to be full. What ``publish`` was given is all that comes, so the
      wait ends there: nobody waits for a time-out, however long it is.
    - ``record_bytes``: largest record, before compression; less than the topic's
      ``max.message.bytes``, else records are refused by the broker, one batch at once.
    - ``queue_records``, ``queue_bytes``: most that librdkafka holds; the rest waits.
    """

    connection: KafkaConnectionSettings
    compression: str = "gzip"
    batch_size: int = 100
    batch_timeout_s: float = 1.0
    record_bytes: int = 1_000_000
    queue_records: int = 20_000
    queue_bytes: int = 64 * 1024 * 1024


class Writer:
    """
    One producer after another; all is called in one thread, but ``let_go``.

    Idempotent and gapless: a batch that is refused for good ends the producer, since
    librdkafka would otherwise write the next batch of the same partition, and with it
    later records of the same key. What was not written is then written again by a new
    producer, one record a batch, so that only the one that is to blame is refused.
    """

    def __init__(self, settings: ProducerSettings) -> None:
        self._configuration = _configuration(settings)
        self._must_let_go = False
        self._is_broken = False
        self._log = structlog.get_logger().bind(client="producer")
        self._watch = BrokerWatch("producer")
        self._client = self._start()

    def write(self, records: Sequence[Outgoing]) -> list[BrokerError | None]:
        """Write in order, wait for all; as ``ports.bus.Producer.publish`` promises."""
        refused = self._round(records, range(len(records)))
        was_broken = self._is_broken
        if was_broken:
            refused = self._apart(records, refused)
        verdicts: list[BrokerError | None] = [None] * len(records)
        for n, error in refused.items():
            verdicts[n] = self._verdict(records[n], error)
        if was_broken:
            self._client = self._start()
        return verdicts

    def poll(self) -> None:
        """Let librdkafka call back: logs, statistics, tokens. Every second or so."""
        try:
            self._client.poll(0)
        except KafkaException as ended:
            self._ended(ended.args[0])

    def let_go(self) -> None:
        """Give up what is under way; may be called from any thread."""
        self._must_let_go = True

    def close(self) -> None:
        """Forget what is not acknowledged, and end the connections."""
        self._client.purge()
        self._flushed(STEP_S)
        self._client.close()

    def _apart(self, records: Sequence[Outgoing], refused: Refused) -> Refused:
        for _ in range(ROUNDS):
            if not self._is_broken or self._is_over:
                break
            self._client = self._start(is_apart=True)
            refused = self._round(records, sorted(refused))
        return refused

    def _round(self, records: Sequence[Outgoing], chosen: Iterable[int]) -> Refused:
        refused: Refused = {}
        closed: dict[str, KafkaError] = {}
        for n in chosen:
            out = records[n]
            error = closed.get(out.topic) or self._hand_over(out, refused, n)
            if error:
                refused[n] = error
                if not isinstance(_translated(out, error), RecordTooLarge):
                    closed[out.topic] = error  # none of the same key that comes later
        while self._flushed(STEP_S):
            if self._is_over:
                self._is_broken = True
                self._client.purge()
        return refused

    def _hand_over(self, out: Outgoing, refused: Refused, n: int) -> KafkaError | None:
        record = out.record
        while True:
            try:
                self._client.produce(
                    out.topic,
                    record.value,
                    record.key,
                    headers=list(record.headers),
                    on_delivery=partial(_note, refused, n),
                )
            except BufferError:
                if self._is_over:
                    return _given_up()
                # Not poll(): what lingers would fill the queue until its time is out.
                self._flushed(STEP_S)
            except KafkaException as failed:
                error: KafkaError = failed.args[0]
                return error
            else:
                return None

    def _flushed(self, timeout_s: float) -> int:
        """Send at once and wait; returns how many records are not settled yet."""
        try:
            return self._client.flush(timeout_s)
        except KafkaException as ended:  # a fatal error is raised, not called back
            self._ended(ended.args[0])
            return len(self._client)

    def _ended(self, error: KafkaError) -> None:
        self._is_broken = True
        self._log.warning("producer_ended", error_code=error.name(), error=error.str())

    @property
    def _is_over(self) -> bool:
        return self._must_let_go or self._watch.state is BrokerState.REFUSED

    def _verdict(self, out: Outgoing, error: KafkaError) -> BrokerError:
        if self._watch.state is BrokerState.REFUSED:
            return BrokerRefused("the broker refuses our credentials or certificate")
        return _translated(out, error)

    def _start(self, *, is_apart: bool = False) -> Producer:
        self._is_broken = False
        self._watch = BrokerWatch("producer")  # an old one's refusal is not this one's
        apart = {"batch.num.messages": 1, "enable.gapless.guarantee": False}
        wanted = {**self._configuration, **(apart if is_apart else {})}
        return Producer({**wanted, **self._watch.callbacks}, logger=self._watch.logger)


def _note(refused: Refused, n: int, error: KafkaError, _: Message) -> None:
    refused[n] = error


def _translated(out: Outgoing, error: KafkaError) -> BrokerError:
    if error.name() in _AGAIN:
        return BrokerUnreachable(f"kafka, writing to {out.topic}: {error.str()}")
    return ours(error, f"writing to {out.topic}")


def _given_up() -> KafkaError:
    return KafkaError(KafkaError._PURGE_QUEUE)  # noqa: SLF001 - librdkafka's own code


def _configuration(settings: ProducerSettings) -> Configuration:
    return configuration(settings.connection) | {
        "acks": "all",
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,
        "partitioner": "murmur2_random",
        "message.timeout.ms": 0,
        "compression.type": settings.compression,
        "batch.num.messages": settings.batch_size,
        "linger.ms": settings.batch_timeout_s * 1000,
        "message.max.bytes": settings.record_bytes,
        "queue.buffering.max.messages": settings.queue_records,
        "queue.buffering.max.kbytes": settings.queue_bytes // 1024,
        # How long a topic may be unknown before its records go back: others wait.
        "topic.metadata.propagation.max.ms": 1000,
        # Calls Python for failures only: successes are a third of the cost.
        "delivery.report.only.error": True,
    }
