"""What the consumer counts."""

import asyncio
from typing import cast

from batchwire.adapters.memory.metrics import MemoryMetrics
from batchwire.domain.metric_list import (
    CONSUMER_END_TO_END,
    CONSUMER_OLDEST_UNFINISHED,
)
from batchwire.domain.record import Place, Record
from batchwire.events.arrivals import receive
from batchwire.events.lanes import Item, Lanes
from batchwire.events.meter import RETRIED, Meter
from batchwire.events.parking import Parking
from batchwire.ports.inbox import Inbox, Parked
from batchwire.testing.clock import ManualClock


def test_an_event_that_waits_for_its_batch_is_as_old_as_when_it_ends_only() -> None:
    clock, metrics = ManualClock(), MemoryMetrics()
    at_ms = int(clock.now().timestamp() * 1000)
    record = Record(key=b"b", value=b"{", place=Place("t", 0, 0), at_ms=at_ms)
    meter, item = Meter(metrics, "group"), Item(receive(record), b"b")
    for _ in range(3):
        meter.finished([(item, RETRIED)], clock)
    meter.finished([(item, "dead")], clock)
    assert metrics.observed(CONSUMER_END_TO_END, type="other") == 1


async def test_an_event_of_the_retry_table_is_as_old_as_it_is_in_its_lane() -> None:
    clock, metrics, lanes = ManualClock(), MemoryMetrics(), Lanes()

    class OneDue:
        async def due(self, *_: object) -> list[Parked]:
            record = Record(key=b"b", value=b"{", place=Place("t", 0, 0))
            one = Parked(
                parked_id=1,
                event_id="e",
                batch_id="b",
                record=record,
                attempts=0,
                first_at=clock.now(),
                reason="",
            )
            return [one]

    await clock.advance(100_000)
    parking = Parking(cast("Inbox", OneDue()), clock, "group", 1)
    looking = asyncio.create_task(parking.run(lanes.push))
    await clock.advance(1)
    looking.cancel()
    Meter(metrics, "group").tell(lanes, [], clock)
    assert metrics.value(CONSUMER_OLDEST_UNFINISHED) <= 1
