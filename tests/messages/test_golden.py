"""The golden samples: decoded and encoded back."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from batchwire.domain.lifecycle import Operation
from batchwire.domain.record import Record
from batchwire.messages.codec import decode, encode
from batchwire.messages.envelope import EventContext
from batchwire.messages.message import MessageType
from batchwire.messages.recipients import Recipient
from batchwire.messages.requests import BatchMessageRequest, BatchOperationRequest

GOLDEN = Path(__file__).parent / "golden"
CONTEXT = EventContext(
    event_id="0190163d-8694-739b-aea5-966c26f8ad91",
    source="//batchwire.example.org",
    type_prefix="org.example",
    time=datetime(2024, 1, 1, tzinfo=UTC),
)


def sample(name: str, content_type: str = "application/json") -> Record:
    return Record(
        key=None,
        value=(GOLDEN / f"{name}.json").read_bytes(),
        headers=(("content-type", content_type.encode()),),
    )


def json_of(record: Record) -> object:
    assert record.value is not None
    return msgspec.json.decode(record.value)


@pytest.mark.parametrize("message_type", list(MessageType))
def test_a_sample_of_the_specification_is_encoded_back_to_the_same_json(
    message_type: MessageType,
) -> None:
    record = sample(message_type)
    decoded = decode(record)
    assert decoded.message.TYPE is message_type
    assert json_of(encode(decoded.message, CONTEXT)) == json_of(record)


def test_the_zero_values_of_go_mean_absent() -> None:
    message = decode(sample("go_zero_values")).message
    assert message == BatchMessageRequest(
        request_id="req-go-1",
        batch_id="batch-go-1",
        batch_type="sms",
        message_type="template",
        recipients=("+4915112345678", Recipient(to="+447911123456")),
        template="Hello",
        priority=5,
        max_retries=0,
        timeout=300,
        left_out=frozenset({"message_type", "params", "priority", "timeout"}),
    )


def test_the_zero_values_of_go_are_not_written_again() -> None:
    message = decode(sample("go_zero_values")).message
    assert json_of(encode(message, CONTEXT)) == {
        "request_id": "req-go-1",
        "batch_id": "batch-go-1",
        "user_id": "",
        "batch_type": "sms",
        "recipients": ["+4915112345678", {"to": "+447911123456"}],
        "template": "Hello",
        "max_retries": 0,
    }


def test_nanoseconds_and_offsets_become_utc_and_absent_fields_stay_absent() -> None:
    record = sample("nanosecond_times")
    before = json_of(record)
    assert isinstance(before, dict)
    message = decode(record).message
    assert isinstance(message, BatchMessageRequest)
    assert message.schedule_time == datetime(2024, 3, 31, 1, 15, 0, 123456, tzinfo=UTC)
    assert message.not_after == datetime(2024, 4, 1, 1, 30, tzinfo=UTC)
    assert json_of(encode(message, CONTEXT)) == {
        **before,
        "schedule_time": "2024-03-31T01:15:00.123456Z",
        "not_after": "2024-04-01T01:30:00Z",
        "created_at": "2024-03-31T01:00:00.500000Z",
    }


def test_a_structured_cloud_event_is_read_with_its_attributes() -> None:
    record = sample("structured_cloud_event", "application/cloudevents+json")
    decoded = decode(record)
    assert isinstance(decoded.message, BatchOperationRequest)
    assert decoded.message.operation is Operation.ABORT
    assert decoded.event_id == "0190163d-8694-739b-aea5-966c26f8ad91"
    assert decoded.source == "//dispatch.example.org/eu"
    assert decoded.sequence == 42
    assert decoded.correlation_id == "req-12345"
    assert decoded.traceparent.endswith("-00f067aa0ba902b7-01")
    event = json_of(record)
    assert isinstance(event, dict)
    assert json_of(encode(decoded.message, CONTEXT)) == event["data"]
