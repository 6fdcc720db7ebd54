"""What the consumer counts: in memory at each event, told to the metrics now and then."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from batchwire.domain.metric_list import (
    CONSUMER_COMMITS,
    CONSUMER_END_TO_END,
    CONSUMER_IN_FLIGHT,
    CONSUMER_LAG,
    CONSUMER_LAG_RECORDS,
    CONSUMER_LANES,
    CONSUMER_LAST_POLL,
    CONSUMER_OLDEST_UNFINISHED,
    CONSUMER_PROCESSED,
    CONSUMER_PROCESSING,
    CONSUMER_QUEUED,
    CONSUMER_QUEUED_BYTES,
    CONSUMER_REBALANCES,
    CONSUMER_RECEIVED,
    DEAD_LETTERS,
    ERRORS,
    OTHER,
)
from batchwire.domain.record import Partition
from batchwire.events.arrivals import Received
from batchwire.events.lanes import Item, Lanes
from batchwire.events.members import Member
from batchwire.ports.bus import SubscriptionState
from batchwire.ports.clock import Clock
from batchwire.ports.metrics import Metrics

RETRIED = "retried"  # the outcome of what goes on later
FAILED = "failed"  # that of what has no retries left, and goes on nevertheless


class Meter:
    """Counts for one consumer; ``outcomes`` are of all events since its start."""

    def __init__(self, metrics: Metrics, group: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self.failed = 0  # times that a handler raised
        self.in_flight = 0
        self._metrics = metrics
        self._group = group
        self._received: Counter[str] = Counter()
        self._commits: Counter[tuple[int, str]] = Counter()
        self._processed: Counter[tuple[str, str]] = Counter()

    def received(self, received: Received) -> None:
        """Count a record that came."""
        self._received[_type(received)] += 1

    def finished(self, done: Sequence[tuple[Item, str]], clock: Clock) -> None:
        """Count events that are finished, each with its outcome."""
        now, now_s = clock.monotonic(), clock.now().timestamp()
        ages: defaultdict[str, list[float]] = defaultdict(list)
        for item, outcome in done:
            kind, at_ms = _type(item.received), item.received.record.at_ms
            self.outcomes[outcome] += 1
            self._processed[kind, outcome] += 1
            if at_ms and outcome != RETRIED:  # it will be finished again
                ages[kind].append(max(0.0, now_s - at_ms / 1000))
        took_s = [now - item.taken_at for item, _ in done]
        self._metrics.observe_all(CONSUMER_PROCESSING, took_s)
        for kind, ages_s in ages.items():
            self._metrics.observe_all(CONSUMER_END_TO_END, ages_s, type=kind)

    def retried(self, received: Received, *, holds_up: bool) -> None:
        """Count an event that goes back to its lane; it may hold up its partition."""
        self._processed[_type(received), FAILED if holds_up else RETRIED] += 1
        self.outcomes[FAILED] += holds_up

    def raised(self, code: str) -> None:
        """Count that a handler raised."""
        self.failed += 1
        self._metrics.add(ERRORS, error_type=code)

    def buried(self, disposition: str) -> None:
        """Count a dead letter."""
        self._metrics.add(DEAD_LETTERS, disposition=disposition)

    def rebalanced(self, kind: str) -> None:
        """Count that partitions came or went."""
        self._metrics.add(CONSUMER_REBALANCES, kind=kind)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Show no lag of partitions that somebody else has."""
        for partition in partitions:
            labels = self._labels(partition)
            self._metrics.forget(CONSUMER_LAG_RECORDS, **labels)
            self._metrics.forget(CONSUMER_LAG, **labels)

    def tell(self, lanes: Lanes, members: Iterable[Member], clock: Clock) -> None:
        """Tell the metrics what was counted, and how it is now."""
        self._tell_counts()
        oldest_at, now = lanes.oldest_at, clock.monotonic()
        oldest_s = 0.0 if oldest_at is None else now - oldest_at
        self._metrics.set(CONSUMER_IN_FLIGHT, self.in_flight)
        self._metrics.set(CONSUMER_QUEUED, lanes.count)
        self._metrics.set(CONSUMER_QUEUED_BYTES, lanes.size_bytes)
        self._metrics.set(CONSUMER_LANES, len(lanes))
        self._metrics.set(CONSUMER_OLDEST_UNFINISHED, oldest_s)
        now_s = clock.now().timestamp()
        for number, member in enumerate(members):
            state = member.subscription.state
            if state.polled_at:
                unix_s = now_s - (now - state.polled_at)
                self._metrics.set(CONSUMER_LAST_POLL, unix_s, member=str(number))
            self._tell_commits(number, state)
            for partition, count, age_s in member.lags(now_s):
                labels = self._labels(partition)
                self._metrics.set(CONSUMER_LAG_RECORDS, count, **labels)
                self._metrics.set(CONSUMER_LAG, age_s, **labels)

    def _tell_counts(self) -> None:
        for kind, count in self._received.items():
            self._metrics.add(CONSUMER_RECEIVED, count, type=kind)
        for (kind, outcome), count in self._processed.items():
            self._metrics.add(CONSUMER_PROCESSED, count, type=kind, outcome=outcome)
        self._received.clear()
        self._processed.clear()

    def _tell_commits(self, member: int, state: SubscriptionState) -> None:
        for outcome, now in (("ok", state.commits), ("failed", state.failed_commits)):
            more = now - self._commits[member, outcome]
            self._commits[member, outcome] = now
            self._metrics.add(CONSUMER_COMMITS, max(0, more), outcome=outcome)

    def _labels(self, partition: Partition) -> dict[str, str]:
        return {
            "consumergroup": self._group,
            "topic": partition.topic,
            "partition": str(partition.number),
        }


def _type(received: Received) -> str:
    return OTHER if received.decoded is None else received.decoded.message.TYPE
