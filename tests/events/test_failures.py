"""What becomes of an event that cannot be handled: every error has its destination."""

import pytest
from structlog.testing import capture_logs
from tests.events.world import config

from batchwire import errors
from batchwire.domain.dead_letter import Disposition
from batchwire.domain.record import Place, Record
from batchwire.errors import BatchwireError, DeadLettersExceeded
from batchwire.events.arrivals import receive
from batchwire.events.failures import Failures
from batchwire.events.lanes import Item
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.ports.inbox import Bury, Park
from batchwire.testing.clock import ManualClock
from batchwire.testing.events import operation, record

BURIED: list[tuple[BatchwireError, Disposition]] = [
    (errors.MalformedMessage("f", "bad"), Disposition.MALFORMED),
    (errors.UnreadableList("bad", remedy="mend"), Disposition.MALFORMED),
    (errors.BrokenTemplate("bad"), Disposition.MALFORMED),
    (errors.UnsupportedType("bad"), Disposition.UNSUPPORTED_TYPE),
    (errors.BatchConflict("b1", "taken"), Disposition.CONFLICT),
    (
        errors.IllegalOperation("b1", "retry", "it runs", ("pause",)),
        Disposition.ILLEGAL_TRANSITION,
    ),
    (errors.UnknownBatch("b1"), Disposition.UNKNOWN_BATCH),
    (errors.SettingsError("bad"), Disposition.RETRIES_EXHAUSTED),
]
AGAIN: list[Exception] = [
    errors.StaleBatch("b1", "changed"),
    errors.ListUnavailable("status 503", remedy="wait", source="https://h/a"),
    errors.StoreBusy("busy"),
    errors.StoreUnreachable("away"),
    errors.StoreFull("full"),
    errors.StoreReadOnly("read-only"),
    errors.StoreInDoubt("in doubt"),
    errors.StoreError("what we do not know"),
    ZeroDivisionError("a defect"),
]


def item(parked_id: int = 0, attempts: int = 0) -> Item:
    received = receive(record("batch_operation", operation("pause")))
    return Item(received, b"b1", parked_id=parked_id, attempts=attempts)


def failures(settings: BatchEventServiceConfig | None = None) -> Failures:
    return Failures(settings or BatchEventServiceConfig(), ManualClock())


@pytest.mark.parametrize(("error", "disposition"), BURIED, ids=str)
def test_what_no_retry_mends_is_a_dead_letter_at_once(
    error: BatchwireError, disposition: Disposition
) -> None:
    found = failures().of_error(item(), error)
    assert isinstance(found, Bury)
    assert (found.disposition, found.message) == (disposition, str(error))
    assert (found.topic, found.dead_letter_topic) == (
        "sms-batch-events",
        "sms-batch-events.dlq",
    )


@pytest.mark.parametrize("error", AGAIN, ids=lambda one: type(one).__name__)
def test_what_may_pass_is_tried_again_then_parked_then_a_dead_letter(
    error: Exception,
) -> None:
    settings = config()
    judge, one = failures(settings), item()
    for attempt in range(1, settings.retries + 1):
        delay_s = judge.of_error(one, error)
        assert isinstance(delay_s, float)
        assert 0 <= delay_s <= settings.retry_least_s * 2**attempt
    assert isinstance(judge.of_error(one, error), Park)
    parked = item(parked_id=1)
    delays_s = []
    for attempt in range(1, settings.parked_retries + 1):
        found = judge.of_error(parked, error)
        assert isinstance(found, Park)
        assert found.attempts == attempt
        delays_s.append((found.due_at - ManualClock().now()).total_seconds())
    assert delays_s == sorted(delays_s)
    assert max(delays_s) == 300
    last = judge.of_error(parked, error)
    assert isinstance(last, Bury)
    assert last.disposition is Disposition.RETRIES_EXHAUSTED


def test_without_force_commit_nothing_is_given_up() -> None:
    judge, one = failures(config(force_commit=False)), item()
    parked = item(parked_id=1, attempts=5_000)
    for _ in range(200):
        delay_s = judge.of_error(one, errors.StoreBusy("busy"))
        assert isinstance(delay_s, float)
        assert delay_s <= 30
        assert isinstance(judge.of_error(parked, errors.StoreBusy("busy")), Park)


@pytest.mark.parametrize("kind", [errors.StoreDamaged, errors.UnknownSchema])
def test_a_database_that_cannot_be_used_is_not_the_events_fault(
    kind: type[BatchwireError],
) -> None:
    with pytest.raises(kind):
        failures().of_error(item(), kind("broken"))


def test_waiting_for_a_batch_is_no_failed_attempt() -> None:
    found = failures().of_unknown_batch(item())
    assert isinstance(found, Park)
    assert found.attempts == 0


def test_a_record_that_cannot_be_read_is_a_dead_letter() -> None:
    received = receive(Record(key=b"b1", value=b"{\0"))
    found = failures().of_unreadable(Item(received, b"b1"))
    assert found.disposition is Disposition.MALFORMED
    assert "\0" not in found.message


def test_one_handled_between_them_starts_the_row_anew() -> None:
    judge = failures(BatchEventServiceConfig(dead_in_a_row=5))
    for _ in range(3):
        for _ in range(4):
            judge.bury(item(), Disposition.MALFORMED, "bad")
        judge.handled()
    for _ in range(4):
        judge.bury(item(), Disposition.MALFORMED, "bad")
    with pytest.raises(DeadLettersExceeded, match="5 events in a row"):
        judge.bury(item(), Disposition.MALFORMED, "bad")


def test_a_tenth_of_the_last_thousand_is_the_limit() -> None:
    judge = failures()
    for _ in range(100):
        judge.bury(item(), Disposition.MALFORMED, "bad")
        for _ in range(9):
            judge.handled()
    for _ in range(3):  # one comes, one is forgotten
        judge.bury(item(), Disposition.MALFORMED, "bad")
        for _ in range(9):
            judge.handled()
    judge.bury(item(), Disposition.MALFORMED, "bad")
    with pytest.raises(DeadLettersExceeded, match="of the last 1000"):
        judge.bury(item(), Disposition.MALFORMED, "bad")


def test_what_failed_is_logged_with_its_place() -> None:
    received = receive(Record(key=b"b", value=b"{", place=Place("t", 0, 0)))
    with capture_logs() as logs:
        failures().of_unreadable(Item(received, b"b"))
    (line,) = logs
    assert line["event"] == "consume message failed"
    assert (line["topic"], line["partition"], line["offset"]) == ("t", 0, 0)
