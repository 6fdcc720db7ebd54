"""The way back from the retry table into the lanes."""

import asyncio
from collections.abc import Callable
from typing import cast

from batchwire.events.lanes import Item
from batchwire.events.parking import Parking
from batchwire.ports.inbox import Inbox, Parked
from batchwire.testing.builders import FastClock, until
from batchwire.testing.events import operation, record


class Table:
    """A retry table that calls back while it is read, and tells what it read before."""

    def __init__(self, *looks: list[Parked]) -> None:
        self.looks = list(looks)
        self.meanwhile: Callable[[], None] = lambda: None

    async def due(self, consumer: str, most: int) -> list[Parked]:
        """See the port."""
        del consumer, most
        found = self.looks.pop(0) if self.looks else []
        self.meanwhile()
        return found


def parked(number: int) -> Parked:
    return Parked(
        parked_id=number,
        event_id=f"e{number}",
        batch_id="b1",
        record=record("batch_operation", operation("pause"), ce_id=f"e{number}"),
        attempts=1,
        first_at=FastClock().now(),
        reason="busy",
    )


async def test_what_left_its_lane_while_it_was_looked_for_does_not_come_twice() -> None:
    table = Table([parked(1)], [parked(1), parked(2)])
    parking = Parking(cast("Inbox", table), FastClock(), "c", 100)
    pushed: list[Item] = []

    def push(item: Item) -> None:
        pushed.append(item)
        table.meanwhile = lambda: parking.left(1)

    running = asyncio.create_task(parking.run(push))
    await until(lambda: not table.looks)
    running.cancel()
    assert [item.parked_id for item in pushed] == [1, 2]
