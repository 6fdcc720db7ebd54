"""What both transports must do (``ports.bus``)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import ClassVar, Protocol

import pytest

from batchwire.domain.record import Partition, Record
from batchwire.errors import RecordTooLarge
from batchwire.ports.bus import Outgoing, Producer, Subscription
from batchwire.testing.collector import (
    Collector,
    Pausing,
    eventually,
    in_order,
    nothing,
    numbered,
    partition_of,
    place_of,
)


class Bus(Protocol):
    """
    A transport under test.

    ``topic`` is fresh and has ``partitions`` of them; ``too_large`` bytes are more than
    one record may have, with its key and headers.
    """

    topic: str
    partitions: int
    too_large: int

    def producer(self) -> Producer:
        """Make one, not opened."""
        ...

    def subscription(self, group: str) -> Subscription:
        """Make a member of a group on the topic, not opened."""
        ...


class Open:
    """Opens what a test uses and closes it at the end."""

    def __init__(self, bus: Bus, stack: AsyncExitStack) -> None:
        self._bus = bus
        self._stack = stack

    async def producer(self) -> Producer:
        """Give one that publishes."""
        producer = self._bus.producer()
        await producer.open()
        self._stack.push_async_callback(producer.close)
        return producer

    async def member(
        self, collector: Collector, group: str = "a-group"
    ) -> Subscription:
        """Give one that is on its way into the group."""
        subscription = self._bus.subscription(group)
        await subscription.open(collector)
        self._stack.push_async_callback(subscription.close)
        return subscription

    async def publish(self, *records: Record) -> None:
        """Publish with a producer of its own; all must be written."""
        producer = await self.producer()
        out = [Outgoing(topic=self._bus.topic, record=record) for record in records]
        assert await producer.publish(out) == [None] * len(records)


class BusContract:
    """Inherit, name the subclass ``Test…`` and give it the fixture ``bus``."""

    QUIET_S: ClassVar[float] = 0.5  # so long nothing comes where nothing must come

    @pytest.fixture
    async def opened(self, bus: Bus) -> AsyncIterator[Open]:
        """Close all at the end, the latest first."""
        async with AsyncExitStack() as stack:
            yield Open(bus, stack)

    async def test_a_record_comes_out_as_it_went_in(
        self, bus: Bus, opened: Open
    ) -> None:
        """Names repeat, header values may be absent, nothing is decoded."""
        headers = (("a", b"1"), ("b", None), ("a", b"\xff"), ("c", b""))
        await opened.publish(Record(key=b"k", value=b"\x00v", headers=headers))
        collector = Collector()
        await opened.member(collector)
        await collector.count(1)
        (record,) = collector.records
        assert (record.key, record.value) == (b"k", b"\x00v")
        assert record.headers == headers
        assert place_of(record).topic == bus.topic
        assert record.at_ms > 0

    async def test_key_and_value_may_be_absent_or_empty(self, opened: Open) -> None:
        """An absent one is not an empty one."""
        pairs = [(b"k", None), (None, b"v"), (b"k", b""), (b"", b"v")]
        await opened.publish(*(Record(key=k, value=v) for k, v in pairs))
        collector = Collector()
        await opened.member(collector)
        await collector.count(len(pairs))
        got = [(record.key, record.value) for record in collector.records]
        assert sorted(got, key=repr) == sorted(pairs, key=repr)

    async def test_a_page_of_two_thousand_keeps_the_order_of_each_key(
        self, opened: Open
    ) -> None:
        """And places ascend, each partition for itself."""
        await opened.publish(*(numbered(n, keys=20) for n in range(2000)))
        collector = Collector()
        await opened.member(collector)
        await collector.count(2000)
        assert len(set(collector.values)) == 2000
        in_order(collector.records)

    async def test_what_is_published_meanwhile_is_received(self, opened: Open) -> None:
        """A member that waits is woken."""
        collector = Collector()
        await opened.member(collector)
        await collector.until(lambda: collector.has("assigned"))
        for n in range(3):
            await opened.publish(numbered(n))
            await collector.count(n + 1)
        assert collector.values == [b"0", b"1", b"2"]

    async def test_every_group_gets_everything(self, opened: Open) -> None:
        """Groups do not know of each other."""
        await opened.publish(numbered(0), numbered(1))
        for group in ("one", "two"):
            collector = Collector()
            member = await opened.member(collector, group)
            await collector.count(2)
            member.finish(collector.positions)
            await member.close()
            assert collector.values == [b"0", b"1"]

    async def test_a_group_goes_on_where_it_has_finished(self, opened: Open) -> None:
        """Received is not finished: what was not finished comes again."""
        await opened.publish(*(numbered(n) for n in range(10)))
        first = Collector()
        member = await opened.member(first)
        await first.count(10)
        third = first.records[3]
        member.finish({partition_of(third): place_of(third).offset})
        await member.close()
        second = Collector()
        await opened.member(second)
        await second.count(7)
        assert second.values == [b"%d" % n for n in range(3, 10)]

    async def test_what_is_finished_while_revoked_is_committed(
        self, opened: Open
    ) -> None:
        """Closing asks the listener to finish, and waits for it."""
        await opened.publish(*(numbered(n) for n in range(3)))
        first = Collector()
        member = await opened.member(first)
        await first.count(3)

        async def finish(_: Sequence[Partition]) -> None:
            await asyncio.sleep(0.05)
            member.finish(first.positions)

        first.on_revoked = finish
        await member.close()
        assert first.has("revoked")
        second = Collector()
        await opened.member(second)
        await opened.publish(numbered(3))
        await second.count(1)
        assert second.values == [b"3"]

    async def test_a_closed_member_receives_nothing_more(self, opened: Open) -> None:
        """Neither is ``finish`` an error then."""
        collector = Collector()
        member = await opened.member(collector)
        await collector.until(lambda: collector.has("assigned"))
        await member.close()
        await opened.publish(numbered(0))
        await asyncio.sleep(self.QUIET_S)
        assert collector.records == []
        member.finish({Partition("elsewhere", 0): 1})

    async def test_a_paused_member_receives_nothing_until_it_resumes(
        self, opened: Open
    ) -> None:
        """And stays a member: the rest comes in order, nothing twice."""
        await opened.publish(*(numbered(n) for n in range(1000)))
        collector = Pausing(after=1)
        collector.member = await opened.member(collector)
        await collector.count(1)
        await asyncio.sleep(self.QUIET_S)
        before = len(collector.records)
        await opened.publish(numbered(1000))
        await asyncio.sleep(self.QUIET_S)
        assert len(collector.records) == before
        assert not collector.has("revoked")
        assert not collector.has("lost")
        collector.after = 0
        collector.resume()
        await collector.count(1001)
        assert collector.values == [b"%d" % n for n in range(1001)]

    async def test_a_listener_that_pauses_at_each_batch_misses_nothing(
        self, opened: Open
    ) -> None:
        """Its queue is full, then it is not."""
        await opened.publish(*(numbered(n, keys=20) for n in range(2000)))
        collector = Pausing(after=1)
        collector.member = await opened.member(collector)
        while len(collector.records) < 2000:
            await collector.until(lambda: collector.is_paused)
            await asyncio.sleep(0.001)
            collector.resume()
        assert len(set(collector.values)) == 2000
        in_order(collector.records)

    async def test_a_record_that_is_too_large_is_refused_alone(
        self, bus: Bus, opened: Open
    ) -> None:
        """In its place, and the others are written."""
        records = [numbered(n, keys=20) for n in range(100)]
        records[50] = Record(key=b"large", value=bytes(bus.too_large))
        producer = await opened.producer()
        out = [Outgoing(topic=bus.topic, record=record) for record in records]
        results = await producer.publish(out)
        assert isinstance(results.pop(50), RecordTooLarge)
        assert results == [None] * 99
        collector = Collector()
        await opened.member(collector)
        await collector.count(99)
        assert len(set(collector.values)) == 99
        in_order(collector.records)

    async def test_publishers_at_once_are_all_written(
        self, bus: Bus, opened: Open
    ) -> None:
        """One producer serves many tasks."""
        producer = await opened.producer()
        pages = [
            [Outgoing(topic=bus.topic, record=numbered(100 * page + n))]
            for page in range(20)
            for n in range(5)
        ]
        results = await asyncio.gather(*(producer.publish(page) for page in pages))
        assert results == [[None]] * 100
        collector = Collector()
        await opened.member(collector)
        await collector.count(100)
        assert len(set(collector.values)) == 100

    async def test_nothing_published_is_no_result(self, opened: Open) -> None:
        """A relay may find nothing."""
        producer = await opened.producer()
        assert await producer.publish([]) == []

    async def test_opening_and_closing_twice_is_harmless(
        self, bus: Bus, opened: Open
    ) -> None:
        """A start that fails half-way cleans up; a producer opens again."""
        producer = bus.producer()
        await producer.close()
        await producer.open()
        await producer.open()
        await producer.close()
        await producer.close()
        await producer.open()
        out = Outgoing(topic=bus.topic, record=numbered(0))
        assert await producer.publish([out]) == [None]
        await producer.close()
        collector = Collector()
        member = await opened.member(collector)
        await collector.count(1)
        await member.close()
        await member.close()

    async def test_a_member_says_how_it_is(self, opened: Open) -> None:
        """Health asks: has it joined, does it poll, how far behind is it."""
        collector = Collector()
        member = await opened.member(collector)
        await collector.until(lambda: collector.has("assigned"))
        await eventually(lambda: member.state.is_joined and member.state.polled_at > 0)
        await opened.publish(numbered(0))
        await collector.count(1)
        await eventually(lambda: sum(member.state.lag.values()) == 0)
        await member.close()
        assert not member.state.is_joined

    async def test_a_second_member_waits_until_the_first_has_finished(
        self, bus: Bus, opened: Open
    ) -> None:
        """What goes over to it begins where the first one finished."""
        if bus.partitions == 1:
            pytest.skip("one partition has one member")
        await opened.publish(*(numbered(n, keys=100) for n in range(400)))
        first, second, done = Collector(), Collector(), asyncio.Event()
        member = await opened.member(first)
        await first.count(400)

        async def finish(_: Sequence[Partition]) -> None:
            await asyncio.sleep(self.QUIET_S)
            assert second.records == []
            member.finish(first.positions)
            first.on_revoked = nothing
            done.set()

        first.on_revoked = finish
        await opened.member(second)
        await second.until(lambda: second.has("assigned"))
        assert done.is_set()
        await opened.publish(*(numbered(n, keys=100) for n in range(400, 800)))
        await eventually(lambda: len(first.records) + len(second.records) == 800)
        assert len(set(first.values) | set(second.values)) == 800
        assert not set(first.values) & set(second.values)
