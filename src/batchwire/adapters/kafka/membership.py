"""What a member holds: its partitions, how far each is read, finished and stored."""

import threading
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from batchwire.domain.record import Partition, Record
from batchwire.ports.bus import SubscriptionState


class _Part(msgspec.Struct):
    lo_offset: int
    ls_offset: int  # the last stable one: what read_committed may read
    app_offset: int
    committed_offset: int


class _Topic(msgspec.Struct):
    partitions: dict[str, _Part]


class _Group(msgspec.Struct):
    state: str
    join_state: str


class _Statistics(msgspec.Struct):
    """The part of librdkafka's statistics that is read here (STATISTICS.md)."""

    topics: dict[str, _Topic]
    cgrp: _Group | None = None


_statistics = msgspec.json.Decoder(_Statistics)
# A member that was given no partition stays in "init" under KIP-848.
_JOINED = {"steady", "init"}


class Membership:
    """
    Kept by the thread of a member; ``state``, ``holds_some``, ``finish``: by any other.

    A partition that goes takes with it what was said of it, so that what is finished
    too late is never stored, not even when the partition comes back: a position counts
    only if it was received since.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._read: dict[int, int] = {}  # by number: the offset to read next
        self._stored: dict[int, int] = {}
        self._finished: dict[Partition, int] = {}
        self._lock = threading.Lock()
        self._is_joined = False
        self._polled_at = 0.0
        self._lag: Mapping[Partition, int] = {}

    @property
    def state(self) -> SubscriptionState:
        """How it is now."""
        return SubscriptionState(
            is_joined=self._is_joined, polled_at=self._polled_at, lag=self._lag
        )

    @property
    def holds_some(self) -> bool:
        """Whether any partition is ours."""
        return bool(self._read)

    def finish(self, positions: Mapping[Partition, int]) -> None:
        """Remember them for ``take_finished``."""
        with self._lock:
            self._finished.update(positions)

    def take_finished(self) -> list[tuple[int, int]]:
        """Give number and position of what was finished, received, and not yet given."""
        if not self._finished:
            return []
        with self._lock:
            finished, self._finished = self._finished, {}
        news = []
        for partition, position in finished.items():
            number = partition.number
            if self._stored.get(number, -1) < position <= self._read.get(number, -1):
                self._stored[number] = position
                news.append((number, position))
        return news

    def assigned(self, numbers: Iterable[int]) -> None:
        """Hold these, of which nothing is read yet."""
        self._is_joined = True
        self._read.update(dict.fromkeys(numbers, -1))

    def gone(self, numbers: Iterable[int]) -> None:
        """Hold these no longer."""
        for number in numbers:
            self._read.pop(number, None)
            self._stored.pop(number, None)

    def holds(self, number: int) -> bool:
        """Whether it is ours."""
        return number in self._read

    def still_held(self, records: Sequence[Record]) -> list[Record]:
        """Leave out those whose partition has gone since."""
        return [
            record
            for record in records
            if record.place and record.place.partition in self._read
        ]

    def received(self, records: Sequence[Record]) -> None:
        """Remember how far was read."""
        for record in records:
            if record.place is not None:
                self._read[record.place.partition] = record.place.offset + 1

    def polled(self, at: float) -> None:
        """Remember when the client was last polled, monotonic seconds."""
        self._polled_at = at

    def ended(self) -> None:
        """Hold nothing: the client is gone."""
        self._is_joined = False
        self.gone(list(self._read))
        self._lag = {}

    def on_statistics(self, text: str) -> None:
        """Read from librdkafka's statistics whether it has joined, and its lag."""
        told = _statistics.decode(text)
        group, topic = told.cgrp, told.topics.get(self._topic)
        if group is not None:
            self._is_joined = group.state == "up" and group.join_state in _JOINED
        parts = topic.partitions if topic else {}
        self._lag = {
            Partition(self._topic, number): _lag(part)
            for key, part in parts.items()
            if self.holds(number := int(key)) and part.ls_offset >= 0
        }


def _lag(part: _Part) -> int:
    for read in (part.app_offset, part.committed_offset, part.lo_offset):
        if read >= 0:
            return max(0, part.ls_offset - read)
    return part.ls_offset
