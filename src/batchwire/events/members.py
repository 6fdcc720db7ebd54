"""Members of the consumer group: what each was assigned, and what of it is finished."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from batchwire.domain.record import Partition, Place, Record
from batchwire.events.offsets import Tracker
from batchwire.ports.bus import Subscription

_Home = tuple[str, int]  # a partition's topic and number; cheaper to find than a struct


class Taker(Protocol):
    """Who takes what the members receive."""

    def take(self, member: "Member", records: Sequence[Record]) -> None:
        """Put records into their lanes."""
        ...

    def forget(self, member: "Member", gone: frozenset[Partition]) -> None:
        """Forget what waits of these partitions."""
        ...

    async def leave(self, member: "Member", gone: frozenset[Partition]) -> None:
        """Forget what waits of these partitions, and finish what runs."""
        ...

    def rebalanced(self, kind: str) -> None:
        """Count that partitions came or went."""
        ...

    def left(self, partitions: Sequence[Partition]) -> None:
        """Note that these are somebody else's."""
        ...


class Member:
    """One subscription's listener (``ports.bus.Listener``)."""

    def __init__(self, taker: Taker, subscription: Subscription) -> None:
        self.subscription = subscription
        self._taker = taker
        self._trackers: dict[_Home, Tracker] = {}

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """See the port."""
        self._taker.rebalanced("assigned")
        for partition in partitions:
            self._trackers[partition.topic, partition.number] = Tracker()

    def received(self, records: Sequence[Record]) -> None:
        """See the port."""
        for record in records:
            place = place_of(record)
            tracker = self._trackers[place.topic, place.partition]
            tracker.received(place.offset, record.at_ms)
        self._taker.take(self, records)

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """See the port."""
        self._taker.rebalanced("revoked")
        held = dict(self._trackers)
        try:
            await self._taker.leave(self, frozenset(partitions))
        finally:  # also where the subscription waits no longer
            # Some may be ours again by then, with a tracker of their own.
            self._drop([p for p in partitions if self._has_still(held, p)])

    def lost(self, partitions: Sequence[Partition]) -> None:
        """See the port."""
        self._taker.rebalanced("lost")
        self._drop(partitions)
        self._taker.forget(self, frozenset(partitions))

    def finished(self, records: Iterable[Record]) -> None:
        """Note that records are finished, and tell how far all is."""
        positions: dict[Partition, int] = {}
        for record in records:
            place = place_of(record)
            tracker = self._trackers.get((place.topic, place.partition))
            if tracker is None:  # revoked meanwhile: somebody else will have it again
                continue
            position = tracker.finished(place.offset)
            if position is not None:
                positions[partition_of(place)] = position
        if positions:
            self.subscription.finish(positions)

    def lags(self, now_s: float) -> Iterator[tuple[Partition, int, float]]:
        """Give each partition, how many records are not finished, and the oldest's age."""
        lag = self.subscription.state.lag
        for home, tracker in self._trackers.items():
            partition = Partition(*home)
            at_ms = tracker.oldest_ms
            age_s = max(0.0, now_s - at_ms / 1000) if at_ms else 0.0
            yield partition, lag.get(partition, 0) + tracker.unfinished, age_s

    def _has_still(self, held: dict[_Home, Tracker], partition: Partition) -> bool:
        home = (partition.topic, partition.number)
        return self._trackers.get(home) is held.get(home)

    def _drop(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._trackers.pop((partition.topic, partition.number), None)
        self._taker.left(partitions)


def partition_of(place: Place) -> Partition:
    """Give the partition of a place."""
    return Partition(place.topic, place.partition)


def place_of(record: Record) -> Place:
    """Give the place of a record that was received."""
    if record.place is None:
        message = "a subscription gave a record without its place"
        raise ValueError(message)
    return record.place
