"""What every outbox that relays share must do (``ports.outbox``)."""

from collections.abc import Sequence

from batchwire.domain.record import Record
from batchwire.ports.bus import Outgoing
from batchwire.ports.outbox import Outbox, Pending
from batchwire.testing.clock import ManualClock

SHARDS = 64


def outgoing(number: int, key: str = "b1", topic: str = "topic") -> Outgoing:
    """Make a record that waits."""
    headers = (("ce_id", b"e%d" % number), ("message_type", b"batch_status_update"))
    record = Record(key=key.encode(), value=b"%d" % number, headers=headers)
    return Outgoing(topic=topic, record=record)


def many(count: int) -> list[Outgoing]:
    """Make records of fifty batches, in turn."""
    return [outgoing(n, f"b{n % 50}") for n in range(count)]


class OutboxContract:
    """
    Inherit, name the subclass ``Test…``, give it the fixtures ``outbox`` and ``clock``.

    ``outbox`` is empty and takes its times from ``clock``.
    """

    async def silence(self, clock: ManualClock, seconds: float) -> None:
        """Let time pass; overridden where the database tells it."""
        await clock.advance(seconds)

    async def test_a_record_comes_out_as_it_went_in(self, outbox: Outbox) -> None:
        """Also one without key, value or headers, and what is no text."""
        records = [
            outgoing(1),
            Outgoing(topic="t", record=Record(key=None, value=None)),
            Outgoing(
                topic="t",
                record=Record(
                    key=b"\xff\0", value=b"", headers=(("a", None), ("a", b"\0"))
                ),
            ),
        ]
        positions = await outbox.add(records)
        assert positions == sorted(positions)
        await outbox.lease("a")
        pending = await outbox.pending("a", 10)
        assert [one.outgoing for one in pending] == records
        assert [one.position for one in pending] == positions

    async def test_a_record_waits_until_it_is_done(self, outbox: Outbox) -> None:
        """And whoever asks for it is told so."""
        positions = await outbox.add([outgoing(1), outgoing(2)])
        await outbox.lease("a")
        first, second = await outbox.pending("a", 10)
        assert await outbox.waiting(positions) == set(positions)
        assert await outbox.done("a", [first]) == 1
        assert await outbox.done("a", [first]) == 0
        assert await outbox.waiting(positions) == {second.position}
        assert _told(await outbox.pending("a", 10)) == _told([second])

    async def test_without_a_lease_nothing_is_read_or_done(
        self, outbox: Outbox
    ) -> None:
        """Who has no shard has no records."""
        await outbox.add([outgoing(1)])
        assert await outbox.pending("a", 10) == []
        await outbox.lease("a")
        pending = await outbox.pending("a", 10)
        assert await outbox.done("b", pending) == 0
        assert _told(await outbox.pending("a", 10)) == _told(pending)

    async def test_a_page_is_the_oldest_in_order(self, outbox: Outbox) -> None:
        """Of one relay that has all shards: in the order of ``add``."""
        records = many(120)
        await outbox.add(records[:70])
        await outbox.add(records[70:])
        assert await outbox.lease("a") == SHARDS
        pending = await outbox.pending("a", 100)
        assert [one.outgoing for one in pending] == records[:100]

    async def test_topics_may_be_passed_over(self, outbox: Outbox) -> None:
        """One that takes nothing holds up no other."""
        records = [outgoing(n, topic=f"topic{n % 3}") for n in range(9)]
        await outbox.add(records)
        await outbox.lease("a")
        some = await outbox.pending("a", 100, without={"topic0", "topic2"})
        assert [one.outgoing for one in some] == records[1::3]

    async def test_relays_share_the_shards(self, outbox: Outbox) -> None:
        """Each record has one relay, and a batch has one too."""
        await outbox.lease("a")
        assert await outbox.lease("b") == 0  # none is free yet
        assert await outbox.lease("a") == SHARDS // 2
        assert await outbox.lease("b") == SHARDS // 2
        records = many(200)
        await outbox.add(records)
        of_a, of_b = await outbox.pending("a", 500), await outbox.pending("b", 500)
        assert len(of_a) + len(of_b) == 200
        assert of_a
        assert of_b
        keys_of_a = {one.outgoing.record.key for one in of_a}
        assert not keys_of_a & {one.outgoing.record.key for one in of_b}

    async def test_a_relay_that_left_leaves_its_shards_at_once(
        self, outbox: Outbox
    ) -> None:
        """An orderly end makes nobody wait."""
        await outbox.lease("a")
        await outbox.release("a")
        assert await outbox.lease("b") == SHARDS

    async def test_a_relay_that_is_silent_is_taken_over_after_30_s(
        self, outbox: Outbox, clock: ManualClock
    ) -> None:
        """Not before; and one that renews keeps what it has."""
        await outbox.lease("a")
        await self.silence(clock, 29)
        assert await outbox.lease("b") == 0
        await self.silence(clock, 2)
        assert await outbox.lease("b") == SHARDS
        await self.silence(clock, 29)
        await outbox.lease("b")
        await self.silence(clock, 29)
        assert await outbox.lease("c") == 0

    async def test_what_was_taken_over_is_left_to_the_new_relay(
        self, outbox: Outbox, clock: ManualClock
    ) -> None:
        """The stale one marks nothing, refuses nothing, and reads nothing."""
        await outbox.add([outgoing(1), outgoing(2)])
        await outbox.lease("a")
        stale = await outbox.pending("a", 10)
        await self.silence(clock, 31)
        await outbox.lease("b")
        assert await outbox.done("a", stale) == 0
        await outbox.refuse("a", stale[0], "too large")
        assert await outbox.pending("a", 10) == []
        assert _told(await outbox.pending("b", 10)) == _told(stale)

    async def test_what_is_refused_waits_no_longer(self, outbox: Outbox) -> None:
        """It can never be published."""
        await outbox.add([outgoing(1), outgoing(2)])
        await outbox.lease("a")
        first, second = await outbox.pending("a", 10)
        await outbox.refuse("a", first, "it is too large")
        assert _told(await outbox.pending("a", 10)) == _told([second])

    async def test_its_depth_is_what_waits_and_for_how_long(
        self, outbox: Outbox, clock: ManualClock
    ) -> None:
        """For health and metrics."""
        assert (await outbox.depth()).rows == 0
        await outbox.add([outgoing(1)])
        await clock.advance(7)
        await outbox.add([outgoing(2)])
        depth = await outbox.depth()
        assert (depth.rows, depth.oldest_s) == (2, 7.0)


def _told(pending: Sequence[Pending]) -> list[tuple[int, Outgoing]]:
    return [(one.position, one.outgoing) for one in pending]
