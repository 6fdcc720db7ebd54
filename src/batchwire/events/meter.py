"""What the consumer counts: in memory at each event, told to the metrics now and then."""

from collections import Counter

from batchwire.domain.metric_list import (
    CONSUMER_END_TO_END,
    CONSUMER_IN_FLIGHT,
    CONSUMER_LANES,
    CONSUMER_LAST_POLL,
    CONSUMER_PROCESSED,
    CONSUMER_QUEUED,
    CONSUMER_QUEUED_BYTES,
    CONSUMER_REBALANCES,
    CONSUMER_RECEIVED,
    DEAD_LETTERS,
    ERRORS,
    OTHER,
)
from batchwire.events.arrivals import Received
from batchwire.events.lanes import Lanes
from batchwire.ports.metrics import Metrics


class Meter:
    """Counts for one consumer; ``outcomes`` are of all events since its start."""

    def __init__(self, metrics: Metrics) -> None:
        self.outcomes: Counter[str] = Counter()
        self.failed = 0  # times that a handler raised
        self.in_flight = 0
        self._metrics = metrics
        self._received: Counter[str] = Counter()
        self._processed: Counter[tuple[str, str]] = Counter()

    def received(self, received: Received) -> None:
        """Count a record that came."""
        self._received[_type(received)] += 1

    def finished(self, received: Received, outcome: str, now_s: float) -> None:
        """Count an event that is finished, at so many Unix seconds."""
        kind, at_ms = _type(received), received.record.at_ms
        self.outcomes[outcome] += 1
        self._processed[kind, outcome] += 1
        if at_ms:
            age_s = max(0.0, now_s - at_ms / 1000)
            self._metrics.observe(CONSUMER_END_TO_END, age_s, type=kind)

    def retried(self, received: Received) -> None:
        """Count an event that goes back to its lane."""
        self._processed[_type(received), "retried"] += 1

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

    def tell(self, lanes: Lanes, polled_at: dict[str, float]) -> None:
        """Tell the metrics what was counted, and how it is now."""
        for kind, count in self._received.items():
            self._metrics.add(CONSUMER_RECEIVED, count, type=kind)
        for (kind, outcome), count in self._processed.items():
            self._metrics.add(CONSUMER_PROCESSED, count, type=kind, outcome=outcome)
        self._received.clear()
        self._processed.clear()
        self._metrics.set(CONSUMER_IN_FLIGHT, self.in_flight)
        self._metrics.set(CONSUMER_QUEUED, lanes.count)
        self._metrics.set(CONSUMER_QUEUED_BYTES, lanes.size_bytes)
        self._metrics.set(CONSUMER_LANES, len(lanes))
        for member, unix_s in polled_at.items():
            self._metrics.set(CONSUMER_LAST_POLL, unix_s, member=member)


def _type(received: Received) -> str:
    return OTHER if received.decoded is None else received.decoded.message.TYPE.value
