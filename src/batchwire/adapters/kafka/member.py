"""A member of a consumer group, in the thread that owns librdkafka's consumer."""

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from batchwire.adapters.kafka.handover import Handover
from batchwire.adapters.kafka.logs import BrokerWatch
from batchwire.adapters.kafka.member_log import MemberLog
from batchwire.adapters.kafka.member_settings import (
    GroupProtocol,
    SubscriptionSettings,
    member_configuration,
)
from batchwire.adapters.kafka.membership import Membership
from batchwire.adapters.kafka.records import record_of
from batchwire.domain.record import Partition, Record
from batchwire.ports.bus import SubscriptionState

# The longest a thread sleeps in a poll: so soon is what is finished stored.
POLL_S: Final = 0.1
# How long a listener may leave a batch lying before the partitions are paused. Until
# then nothing is polled: pausing throws away what was fetched ahead.
GRACE_S: Final = 0.25
# Between a client that ended for good and the next.
RENEW_S: Final = 1.0
# How often a member that was given nothing looks whether there is such a topic.
MISSING_S: Final = 5.0

# A consumer's fatal error is a message whose text has the cause, not its code.
_FATAL = KafkaError._FATAL  # noqa: SLF001 - librdkafka's own codes begin with _
_UNSUPPORTED = tuple(
    KafkaError(code).str()
    for code in (
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001
    )
)

log = structlog.get_logger()


class Member:
    """
    Joins, polls, hands over, stores what is finished, leaves.

    ``run`` is the thread; the other public names are for any other. A
    client that ends for good (another took its name, the broker knows no KIP-848) is
    followed by another.
    """

    def __init__(self, settings: SubscriptionSettings, handover: Handover) -> None:
        self._settings = settings
        self._handover = handover
        self._protocol: GroupProtocol = "consumer"
        self._is_leaving = threading.Event()
        self._is_paused = False
        self._fatal: KafkaError | None = None
        self._looked_at = time.monotonic()
        self._watch = BrokerWatch("consumer", is_heard=settings.is_heard)
        self._log = MemberLog(settings.topic, settings.group_id)
        self._watch.logger.addHandler(self._log)
        self._membership = Membership(settings.topic)
        self._client = self._start()

    @property
    def state(self) -> SubscriptionState:
        """How it is now."""
        return msgspec.structs.replace(
            self._membership.state,
            commits=self._log.commits,
            failed_commits=self._log.failed_commits,
        )

    @property
    def holds_some(self) -> bool:
        """Whether some partitions are its own, and the listener's to finish."""
        return self._membership.holds_some

    def finish(self, positions: Mapping[Partition, int]) -> None:
        """Store these soon."""
        self._membership.finish(positions)

    def leave(self) -> None:
        """End the thread, after the listener has finished."""
        self._is_leaving.set()

    def run(self) -> None:
        """Be a member until ``leave``."""
        while not self._is_leaving.is_set():
            try:
                self._be_member()
            except Exception:  # a bug: what was not finished the next client reads
                log.exception("subscription_raised", topic=self._settings.topic)
            finally:
                self._client.close()
                self._membership.ended()
            if not self._is_leaving.wait(self._pause_s()):
                self._client = self._start()

    def _start(self) -> Consumer:
        wanted = member_configuration(self._settings, self._protocol)
        callbacks = {
            **self._watch.callbacks,
            "stats_cb": self._on_statistics,
            "on_commit": self._log.committed,
        }
        return Consumer(wanted | callbacks, logger=self._watch.logger)

    def _be_member(self) -> None:
        self._fatal, self._is_paused = None, False
        self._client.subscribe(
            [self._settings.topic],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )
        while not (self._is_leaving.is_set() or self._fatal):
            self._store()
            records = self._poll(POLL_S)
            if records:
                self._hand_over(records)
            elif self._settings.is_heard and not self.holds_some:
                self._miss_topic()

    def _miss_topic(self) -> None:
        """Say that there is no such topic: under KIP-848 nobody else does."""
        now = time.monotonic()
        if now < self._looked_at + MISSING_S:
            return
        self._looked_at = now
        topic = self._settings.topic
        try:
            error = self._client.list_topics(topic, timeout=1.0).topics[topic].error
        except KafkaException:  # the broker is away, which the watch says
            return
        if error is not None:
            self._log.failed(error)

    def _pause_s(self) -> float:
        """How long to wait for the next client, which may speak the older protocol."""
        said = self._fatal.str() if self._fatal else ""
        if any(cause in said for cause in _UNSUPPORTED):
            self._protocol = "classic"
            return 0.0
        return RENEW_S

    def _poll(self, timeout_s: float) -> list[Record]:
        """Wait for the first record only: ``consume`` would wait for the last."""
        try:
            first = self._client.poll(timeout_s)
            self._membership.polled(time.monotonic())
            if first is None:
                return []
            more = self._client.consume(self._settings.batch_records - 1, 0)
        except KafkaException as ended:  # a fatal error is raised, not called back
            self._befallen(ended.args[0])
            return []
        return self._records((first, *more))

    def _records(self, messages: Iterable[Message]) -> list[Record]:
        records = []
        for message in messages:
            error = message.error()
            if error is not None:
                self._befallen(error)
            elif self._membership.holds(message.partition() or 0):
                records.append(record_of(message, self._settings.topic))
        return records

    def _hand_over(self, records: list[Record]) -> None:
        """Give them to the listener, and wait until it has taken them."""
        self._membership.received(records)
        self._handover.hand_over(records)
        if self._handover.is_taken.wait(GRACE_S):
            return
        self._pause(is_paused=True)
        late: list[Record] = []
        while not (self._handover.is_taken.wait(POLL_S) or self._is_over):
            self._store()
            late += self._poll(0)
        self._pause(is_paused=False)
        if late := self._membership.still_held(late):
            self._hand_over(late)

    @property
    def _is_over(self) -> bool:
        return self._is_leaving.is_set() or self._fatal is not None

    def _pause(self, *, is_paused: bool) -> None:
        self._is_paused = is_paused
        partitions = self._client.assignment()
        if is_paused:
            self._client.pause(partitions)
        else:
            self._client.resume(partitions)

    def _store(self) -> None:
        finished = self._membership.take_finished()
        if not finished:
            return
        topic = self._settings.topic
        positions = [TopicPartition(topic, number, at) for number, at in finished]
        try:
            self._client.store_offsets(offsets=positions)
        except KafkaException as refused:  # it is no longer ours: another reads it
            self._log.failed(refused.args[0])

    def _assigned(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._log.well()
        self._membership.assigned(each.partition for each in partitions)
        self._handover.assigned(_ours(partitions))
        client.incremental_assign(partitions)
        # Said either way: librdkafka remembers that a partition was paused when it
        # went, and would never fetch from it when it comes back.
        (client.pause if self._is_paused else client.resume)(partitions)

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        budget_s = self._settings.revoke_budget_s
        if not self._handover.revoked(_ours(partitions), budget_s):
            self._log.revoked_late(len(partitions), budget_s)
        self._store()  # what is stored is committed when the client gives them back
        self._membership.gone(each.partition for each in partitions)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._membership.gone(each.partition for each in partitions)
        self._handover.lost(_ours(partitions))
        self._log.lost(len(partitions))

    def _befallen(self, error: KafkaError) -> None:
        """Take an error of the group, the topic or a partition: it comes as a message."""
        if error.fatal() or error.code() == _FATAL:
            self._fatal = error
        self._log.failed(error)

    def _on_statistics(self, text: str) -> None:
        self._watch.on_statistics(text)
        self._membership.on_statistics(text)


def _ours(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [Partition(each.topic, each.partition) for each in partitions]
