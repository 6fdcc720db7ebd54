"""A member's trackers, and what a subscription's thread hands to it."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from batchwire.adapters.kafka.handover import Handover
from batchwire.domain.record import Partition, Place, Record
from batchwire.events.members import Member
from batchwire.testing.builders import until

ZERO, ONE = Partition("t", 0), Partition("t", 1)


class Taker:
    """Takes what comes; ``leave`` lasts until ``gate`` is set."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.gate = asyncio.Event()

    def take(self, _: Member, records: Sequence[Record]) -> None:
        """Remember the offsets."""
        self.offsets += [record.place.offset for record in records if record.place]

    def forget(self, *_: object) -> None:
        """See the port."""

    async def leave(self, *_: object) -> None:
        """Last until the gate is set."""
        await self.gate.wait()

    def rebalanced(self, kind: str) -> None:
        """See the port."""

    def left(self, partitions: Sequence[Partition]) -> None:
        """See the port."""


class Positions:
    """A subscription that remembers how far all is finished."""

    def __init__(self) -> None:
        self.stored: dict[Partition, int] = {}

    def finish(self, positions: dict[Partition, int]) -> None:
        """Remember them."""
        self.stored |= positions


def record(partition: Partition, offset: int) -> Record:
    place = Place(partition.topic, partition.number, offset)
    return Record(key=b"k", value=b"v", place=place)


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def member(taker: Taker) -> Member:
    return Member(taker, Positions())  # type: ignore[arg-type]


async def test_a_revocation_that_ends_late_leaves_the_next_assignment_alone(
    taker: Taker, member: Member
) -> None:
    member.assigned([ZERO])
    revoking = asyncio.create_task(member.revoked([ZERO]))
    await asyncio.sleep(0)
    member.assigned([ZERO])  # ours again, before that has ended
    taker.gate.set()
    await revoking
    member.received([record(ZERO, 7)])
    assert taker.offsets == [7]


async def test_a_batch_on_its_way_is_not_taken_by_the_loss_of_other_partitions(
    taker: Taker, member: Member
) -> None:
    handover = Handover(member, asyncio.get_running_loop())
    member.assigned([ZERO])
    handover.pause()  # the queue is full
    taken: list[bool] = []

    def thread() -> None:
        handover.lost([ZERO])
        handover.assigned([ONE])
        for offset in range(2):
            handover.hand_over([record(ONE, offset)])
            taken.append(handover.is_taken.wait(10))

    running = threading.Thread(target=thread)
    running.start()
    await asyncio.sleep(0.2)
    assert taken == []  # while paused
    handover.resume()
    await until(lambda: not running.is_alive())
    assert taken == [True, True]
    assert taker.offsets == [0, 1]
