"""What becomes of an event whose handler raised."""

from structlog.testing import capture_logs

from batchwire.domain.record import Place, Record
from batchwire.errors import ListUnavailable, UnreadableList
from batchwire.events.arrivals import receive
from batchwire.events.failures import Failures
from batchwire.events.lanes import Item
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.ports.inbox import Bury
from batchwire.testing.clock import ManualClock


def item() -> Item:
    return Item(receive(Record(key=b"b", value=b"{", place=Place("t", 0, 0))), b"b")


def test_a_list_that_is_not_there_just_now_is_tried_again() -> None:
    error = ListUnavailable("status 503", remedy="", source="https://h/a")
    failures = Failures(BatchEventServiceConfig(), ManualClock())
    assert isinstance(failures.of_error(item(), error), float)


def test_a_list_that_cannot_be_read_is_a_dead_letter_at_once() -> None:
    error = UnreadableList("status 404", remedy="", source="https://h/a")
    failures = Failures(BatchEventServiceConfig(), ManualClock())
    assert isinstance(failures.of_error(item(), error), Bury)


def test_what_failed_is_logged_with_its_place() -> None:
    failures = Failures(BatchEventServiceConfig(), ManualClock())
    with capture_logs() as logs:
        failures.of_unreadable(item())
    (line,) = logs
    assert line["event"] == "consume message failed"
    assert (line["topic"], line["partition"], line["offset"]) == ("t", 0, 0)
