"""A listener for tests: it keeps everything it receives, and may pause."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from batchwire.domain.record import Partition, Place, Record
from batchwire.ports.bus import Subscription


class Collector:
    """
    A listener that keeps everything and says what happened, in order.

    ``on_revoked`` is awaited before ``revoked`` returns.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.events: list[tuple[str, frozenset[Partition]]] = []
        self.on_revoked: Callable[[Sequence[Partition]], Awaitable[None]] = nothing
        self._news = asyncio.Event()

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Take note."""
        self._note("assigned", partitions)

    def received(self, records: Sequence[Record]) -> None:
        """Keep them."""
        self.records += records
        self._note("received", {partition_of(record) for record in records})

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Finish first, as told."""
        await self.on_revoked(partitions)
        self._note("revoked", partitions)

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Take note."""
        self._note("lost", partitions)

    @property
    def values(self) -> list[bytes | None]:
        """The values, in the order in which they came."""
        return [record.value for record in self.records]

    @property
    def positions(self) -> dict[Partition, int]:
        """What to finish when all that came is done."""
        return {partition_of(each): place_of(each).offset + 1 for each in self.records}

    def has(self, event: str) -> bool:
        """Whether this happened."""
        return any(name == event for name, _ in self.events)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait; the test's own time-out ends it."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def count(self, count: int) -> None:
        """Wait for at least so many records."""
        await self.until(lambda: len(self.records) >= count)

    def _note(
        self, event: str, partitions: Sequence[Partition] | set[Partition]
    ) -> None:
        self.events.append((event, frozenset(partitions)))
        self._news.set()


class Pausing(Collector):
    """Pauses its member whenever it has received ``after`` more; 0 never."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.member: Subscription | None = None
        self.is_paused = False

    def received(self, records: Sequence[Record]) -> None:
        """Keep them, then pause."""
        assert not self.is_paused
        if self.member and self.after:
            self.is_paused = True
            self.member.pause()
        super().received(records)

    def resume(self) -> None:
        """Let it go on."""
        self.is_paused = False
        if self.member:
            self.member.resume()


def numbered(n: int, keys: int = 1) -> Record:
    """Make the n-th record; its key is one of so many, its value its number."""
    return Record(key=b"key-%d" % (n % keys), value=b"%d" % n)


def place_of(record: Record) -> Place:
    """Give the place, which what was received always has."""
    assert record.place is not None
    return record.place


def partition_of(record: Record) -> Partition:
    """Give the partition it came from."""
    place = place_of(record)
    return Partition(place.topic, place.partition)


def in_order(records: Sequence[Record]) -> None:
    """Assert: per key the numbers ascend, and per partition the places."""
    numbers: dict[bytes | None, int] = {}
    offsets: dict[Partition, int] = {}
    for record in records:
        offset, number = place_of(record).offset, int(record.value or b"")
        assert offsets.get(partition_of(record), -1) < offset
        assert numbers.get(record.key, -1) < number
        offsets[partition_of(record)], numbers[record.key] = offset, number


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what nobody announces; the test's own time-out ends it."""
    while not condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)


async def nothing(_: Sequence[Partition]) -> None:
    """Be done at once: what a listener with nothing under way does."""
