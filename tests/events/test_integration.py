"""A host's calls: they keep an event and return, whatever they are given."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs
from tests.events.conftest import Topic

from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.adapters.kafka.writing import ProducerSettings
from batchwire.adapters.spool import SpoolLimits
from batchwire.errors import SettingsError
from batchwire.integration import (
    BatchEventIntegration,
    IntegrationSettings,
    connect,
    integrated,
)
from batchwire.testing.builders import until

NOBODY = "127.0.0.1:9"
Connect = Callable[..., BatchEventIntegration]


@pytest.fixture(autouse=True)
def logs_are_ours() -> Iterator[None]:
    """Keep ``connect`` from configuring the logs of the whole test run."""
    was_configured = structlog.is_configured()
    structlog.configure()
    yield
    if not was_configured:
        structlog.reset_defaults()


@pytest.fixture
def connected(tmp_path: Path) -> Iterator[Connect]:
    """Give ``connect``; what it makes is closed at the end."""
    made: list[BatchEventIntegration] = []

    def make(brokers: str = NOBODY, topic: str = "t") -> BatchEventIntegration:
        spool = str(tmp_path / "spool")
        given = {"brokers": brokers, "topic": topic, "spool": spool}
        made.append(connect(source="/host", environ={}, **given))
        return made[-1]

    yield make
    for one in made:
        one.close(0.5)


def limited(spool: Path, **limits: int) -> BatchEventIntegration:
    """Make one with bounds, whose broker is away."""
    connection = KafkaConnectionSettings(brokers=(NOBODY,))
    return integrated(
        IntegrationSettings(
            producer=ProducerSettings(connection=connection),
            source="/host",
            spool=spool,
            limits=SpoolLimits(**limits),
        )
    )


async def test_each_call_is_the_record_of_the_contract(
    kafka: str, topic: str, reading: Topic, connected: Connect
) -> None:
    events = connected(kafka, topic)
    events.on_sms_batch_created("b1", "u1", ["+4915112345678"], "Hi {{n}}", {"n": "A"})
    events.on_sms_batch_status_changed(
        "b1", "delivery_running", "delivery", 0.5, 10, 9, 1, "one failed"
    )
    events.on_sms_batch_paused("b1", "delivery", "too fast", "op-1")
    events.on_sms_batch_resumed("b1", "delivery", "well again", "op-1")
    events.on_sms_batch_aborted("b1", "enough", "op-2")
    events.on_sms_batch_retried("b1", "once more", "op-2", phase="delivery")
    await reading.until(lambda topic: len(topic.bodies) == 6)

    created, status, *operations = reading.bodies
    assert created["recipients"] == ["+4915112345678"]
    assert created["params"] == {"n": "A"}
    assert (created["user_id"], created["batch_type"]) == ("u1", "sms")
    assert "recipients_count" not in created
    assert (status["status"], status["current_phase"]) == (
        "delivery_running",
        "delivery",
    )
    assert (status["progress"], status["processed"]) == (0.5, 10)
    assert (status["success"], status["failed"]) == (9, 1)
    assert status["error_message"] == "one failed"
    assert [one["operation"] for one in operations] == [
        "pause",
        "resume",
        "abort",
        "retry",
    ]
    assert [one.get("phase", "") for one in operations] == [
        "delivery",
        "delivery",
        "",
        "delivery",
    ]
    assert [one["operator_id"] for one in operations] == [
        "op-1",
        "op-1",
        "op-2",
        "op-2",
    ]
    assert operations[0]["reason"] == "too fast"
    headers = reading.headers
    assert [one["ce_source"] for one in headers] == ["/host"] * 6
    assert [one.get("execution") for one in headers] == ["observed", *[None] * 5]
    assert len({one["ce_id"] for one in headers}) == 6
    assert [one["ce_time"] for one in headers] == sorted(
        one["ce_time"] for one in headers
    )


async def test_a_list_too_long_for_a_record_is_announced_with_its_size(
    kafka: str, topic: str, reading: Topic, connected: Connect
) -> None:
    events = connected(kafka, topic)
    numbers = [f"+4415{n:08d}" for n in range(100_000)]
    wordy = [{"to": one, "params": {"text": "x" * 1000}} for one in numbers[:5000]]
    events.on_sms_batch_created("b1", "u1", numbers, "Hi", {})
    events.on_sms_batch_created("b2", "u1", wordy, "Hi", {})
    await reading.until(lambda topic: len(topic.bodies) == 2)

    by_batch = {one["batch_id"]: one for one in reading.bodies}
    assert by_batch["b1"]["recipients"] == numbers[:10_000]
    assert by_batch["b1"]["recipients_count"] == 100_000
    assert by_batch["b2"]["recipients"] == wordy[:625]
    assert by_batch["b2"]["recipients_count"] == 5000


BAD: list[tuple[str, tuple[Any, ...]]] = [
    ("status_changed", ("no such id!", "delivery_running")),
    ("status_changed", (17, "delivery_running")),
    ("status_changed", ("b1", "delivery_running", "delivery", Decimal(1), 0.5)),
    ("status_changed", ("b1", "delivery_running", "delivery", 7.5)),
    ("status_changed", ("b1", object())),
    ("created", ("b1", "u1", "+4915112345678", "Hi", {})),
    ("created", ("b1", "u1", [], "Hi", {})),
    ("created", ("b1", "u1", ["+4915112345678"], "", {})),
    ("created", ("b1", "u1", ["+4915112345678"], "x" * 2_000_000, {})),
    ("created", ("b1", "u1", ["+4915112345678"], "Hi", 5)),
    ("paused", ("b1", "sideways")),
    ("paused", (None,)),
]


@pytest.mark.parametrize(("call", "arguments"), BAD)
async def test_a_bad_argument_raises_nothing_and_is_logged_and_counted(
    call: str, arguments: tuple[Any, ...], connected: Connect
) -> None:
    with capture_logs() as logs:
        events = connected()
        getattr(events, f"on_sms_batch_{call}")(*arguments)
        await until(lambda: events.metrics().failed == 1)
    said = [one for one in logs if one["event"] == "Failed to publish"]
    assert len(said) == 1
    assert said[0]["error"]
    assert events.metrics().waiting == 0


def test_a_host_without_brokers_or_source_is_told_at_its_start() -> None:
    with pytest.raises(SettingsError, match="KAFKA_BROKERS"):
        connect(source="/host", environ={})
    with pytest.raises(SettingsError, match="source"):
        connect(brokers=NOBODY, environ={})


async def test_the_environment_says_where_to(
    kafka: str, topic: str, reading: Topic, tmp_path: Path
) -> None:
    environ = {"KAFKA_BROKERS": kafka, "KAFKA_TOPIC": topic}
    events = connect(source="/host", spool=str(tmp_path), environ=environ)
    events.on_sms_batch_paused("b1")
    assert await asyncio.to_thread(events.close)
    await reading.until(lambda topic: len(topic.bodies) == 1)


def test_a_full_spool_drops_the_newest_loudly_and_memory_stays_small(
    tmp_path: Path,
) -> None:
    events = limited(tmp_path, disk_bytes=100_000)
    with capture_logs() as logs:
        for number in range(2000):
            events.on_sms_batch_status_changed("b1", "running", processed=number)
    found = events.metrics()
    assert found.kept + found.failed == 2000
    assert found.failed > 200
    dropped = [one for one in logs if one["event"] == "Failed to publish"]
    assert {one["error_code"] for one in dropped} == {"spool_full"}
    assert len(dropped) == found.failed
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.log"))
    assert size <= 100_000
    events.close(0.1)


def test_where_no_file_can_be_written_calls_still_return(tmp_path: Path) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("")
    events = limited(blocked, memory_bytes=10_000)
    for number in range(1000):
        events.on_sms_batch_status_changed("b1", "running", processed=number)

    found = events.metrics()
    assert found.kept + found.failed == 1000
    assert 50 < found.kept < 500
    assert not events.is_healthy()
    events.close(0.1)


def test_events_that_wait_are_not_in_memory(connected: Connect) -> None:
    events = connected()
    _report(events, 1000)
    before = _resident_kb()
    _report(events, 30_000)
    assert _resident_kb() - before < 8_000
    assert events.metrics().waiting == 31_000


def test_a_signal_handler_may_call_amid_a_call(connected: Connect) -> None:
    events = connected()
    handled = 0

    def handler(number: int, frame: FrameType | None) -> None:
        del number, frame
        nonlocal handled
        handled += 1
        events.on_sms_batch_aborted("b1", "a signal")

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        _report(events, 20_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert handled > 10
    assert events.metrics().kept == 20_000 + handled


async def test_a_running_event_loop_goes_on_while_events_are_kept(
    kafka: str, topic: str, reading: Topic, connected: Connect
) -> None:
    events = connected(kafka, topic)

    async def batch(number: int) -> None:
        for processed in range(50):
            events.on_sms_batch_status_changed(
                f"b{number}", "running", processed=processed
            )
            await asyncio.sleep(0)

    await asyncio.gather(*(batch(number) for number in range(20)))
    await reading.until(lambda topic: len(topic.bodies) == 1000)
    for number in range(20):
        mine = [one for one in reading.bodies if one["batch_id"] == f"b{number}"]
        assert [one["processed"] for one in mine] == list(range(50))


async def test_a_forked_worker_reports_by_itself_and_ends(
    kafka: str, topic: str, reading: Topic, connected: Connect
) -> None:
    events = connected(kafka, topic)
    events.on_sms_batch_status_changed("b1", "running", processed=1)
    await until(lambda: events.metrics().published == 1)
    children = [_forked(events, processed) for processed in (2, 3)]
    ended = [await asyncio.to_thread(os.waitpid, child, 0) for child in children]
    events.on_sms_batch_status_changed("b1", "running", processed=4)
    await reading.until(lambda topic: len(topic.bodies) == 4)

    assert [status for _, status in ended] == [0, 0]
    assert sorted(one["processed"] for one in reading.bodies) == [1, 2, 3, 4]
    assert len({one["ce_id"] for one in reading.headers}) == 4


async def test_after_close_a_call_begins_anew(
    kafka: str, topic: str, reading: Topic, connected: Connect
) -> None:
    events = connected(kafka, topic)
    for processed in range(2):
        events.on_sms_batch_status_changed("b1", "running", processed=processed)
        assert await asyncio.to_thread(events.close)
    await reading.until(lambda topic: len(topic.bodies) == 2)
    assert (events.metrics().kept, events.metrics().published) == (2, 2)


def _forked(events: BatchEventIntegration, processed: int) -> int:
    """Fork a worker that reports once and ends as a program does."""
    child = os.fork()
    if child:
        return child
    events.on_sms_batch_status_changed("b1", "running", processed=processed)
    is_sent = events.close(20)
    os._exit(0 if is_sent else 1)


def _report(events: BatchEventIntegration, count: int) -> None:
    for processed in range(count):
        events.on_sms_batch_status_changed("b1", "running", processed=processed)


def _resident_kb() -> int:
    time.sleep(0.5)  # the thread that sends has read what it reads
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_without_a_thread_calls_return_and_so_does_close(
    connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    events = connected()
    events.on_sms_batch_paused("b1")
    assert not events.is_healthy()
    assert not events.close(0.1)
    assert (events.metrics().kept, events.metrics().waiting) == (1, 1)
