"""The described headers are those that are written."""

from datetime import UTC, datetime

import msgspec
import pytest

from batchwire.domain.dead_letter import DeadLetter, Disposition
from batchwire.domain.record import Place, Record
from batchwire.messages import headers
from batchwire.messages.codec import encode
from batchwire.messages.dead_letter import to_record, to_redrive
from batchwire.messages.envelope import EventContext
from batchwire.messages.message import MessageType
from batchwire.messages.samples import SAMPLES

NOW = datetime(2024, 1, 1, tzinfo=UTC)
BARE = EventContext(event_id="e", source="//x", type_prefix="org.example", time=NOW)
FULL = msgspec.structs.replace(
    BARE,
    sequence=1,
    correlation_id="c",
    causation_id="d",
    traceparent="00-1",
    tracestate="a=b",
    is_observed=True,
)


@pytest.mark.parametrize("name", list(MessageType))
def test_every_described_header_is_written_but_legacy_and_redrive(
    name: MessageType,
) -> None:
    written = {header for header, _ in encode(SAMPLES[name], FULL).headers}
    described = headers.schema_of(name)["properties"].keys()
    redriven = {"x-dlq-event-id", "x-dlq-first-at-ms", "x-dlq-replay-count"}
    assert described - written == {"event_type"} | redriven
    assert written <= described


@pytest.mark.parametrize("name", list(MessageType))
def test_what_is_always_written_is_written_for_the_barest_record(
    name: MessageType,
) -> None:
    written = {header for header, _ in encode(SAMPLES[name], BARE).headers}
    special = headers.schema_of(name)["properties"].keys() & written - headers.ALWAYS
    assert written - special == headers.ALWAYS


def test_the_headers_of_a_redriven_record_are_described() -> None:
    again = {header for header, _ in to_redrive(_letter()).headers}
    assert again <= headers.schema_of(MessageType.BATCH_REQUEST)["properties"].keys()


def test_the_headers_of_a_dead_letter_are_described() -> None:
    written = {header for header, _ in to_record(_letter()).headers}
    assert written == headers.dead_letter_schema()["properties"].keys()


def _letter() -> DeadLetter:
    return DeadLetter(
        event_id="e",
        batch_id="b-1",
        disposition=Disposition.MALFORMED,
        message="batch_id: is missing",
        record=Record(key=b"b-1", value=b"{}", place=Place("t", 0, 7)),
        topic="t",
        group="g",
        failed_at=NOW,
    )
