"""What the consumer counts."""

from batchwire.adapters.memory.metrics import MemoryMetrics
from batchwire.domain.metric_list import CONSUMER_END_TO_END
from batchwire.domain.record import Place, Record
from batchwire.events.arrivals import receive
from batchwire.events.lanes import Item
from batchwire.events.meter import RETRIED, Meter
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
