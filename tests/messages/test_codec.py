"""Messages to records and back, whoever wrote them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from batchwire.domain.lifecycle import Operation, Phase
from batchwire.domain.record import Headers, Place, Record
from batchwire.errors import MalformedMessage
from batchwire.messages.codec import decode, encode
from batchwire.messages.envelope import EventContext
from batchwire.messages.requests import (
    AnyBatchMessage,
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)

EVENT_ID = "0190163d-8694-739b-aea5-966c26f8ad91"
PLACE = Place("sms-batch-events", 3, 1700)

REQUEST = BatchMessageRequest(
    request_id="req-1",
    batch_id="b-1",
    user_id="usér",
    batch_type="sms",
    recipients=("+447911123456",),
    template="Hi",
    params={"name": "Ann"},
)
STATUS = BatchStatusUpdateRequest(
    request_id="req-1", batch_id="b-1", status="delivery_running", progress=0.5
)
OPERATION = BatchOperationRequest(
    request_id="req-1",
    batch_id="b-1",
    operation=Operation.PAUSE,
    phase=Phase.DELIVERY,
    operator_id="admin-1",
)
MESSAGES: list[AnyBatchMessage] = [REQUEST, STATUS, OPERATION]


def context(**changes: Any) -> EventContext:  # noqa: ANN401 - any field may change
    values = {
        "event_id": EVENT_ID,
        "source": "//batchwire.example.org",
        "type_prefix": "org.example",
        "time": datetime(2024, 1, 1, 0, 3, 0, 500_000, tzinfo=UTC),
    }
    return EventContext(**{**values, **changes})


def record(
    body: dict[str, Any], *headers: tuple[str, bytes | None], place: Place | None = None
) -> Record:
    return Record(
        key=b"b-1", value=msgspec.json.encode(body), headers=headers, place=place
    )


def pause(**changes: object) -> dict[str, Any]:
    return {"batch_id": "b-1", "operation": "pause", "request_id": "req-1", **changes}


@pytest.mark.parametrize("message", MESSAGES)
def test_what_was_encoded_is_decoded_to_the_same(message: AnyBatchMessage) -> None:
    told = context(
        sequence=42,
        correlation_id="req-1",
        causation_id="cause-1",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        tracestate="a=b",
        is_observed=True,
    )
    decoded = decode(encode(message, told))
    assert decoded.message == message
    assert decoded.event_id == EVENT_ID
    assert decoded.source == told.source
    assert decoded.sequence == 42
    assert decoded.correlation_id == "req-1"
    assert decoded.causation_id == "cause-1"
    assert decoded.traceparent == told.traceparent
    assert decoded.tracestate == "a=b"
    assert decoded.is_observed


@pytest.mark.parametrize("message", MESSAGES)
def test_the_key_is_the_batch_id(message: AnyBatchMessage) -> None:
    assert encode(message, context()).key == b"b-1"


@pytest.mark.parametrize("message", MESSAGES)
def test_the_same_arguments_give_the_same_bytes(message: AnyBatchMessage) -> None:
    assert encode(message, context()) == encode(message, context())


def test_a_new_message_writes_no_optional_field_that_says_nothing() -> None:
    value = encode(OPERATION, context()).value
    assert value == (
        b'{"request_id":"req-1","batch_id":"b-1","operation":"pause",'
        b'"phase":"delivery","operator_id":"admin-1"}'
    )


def test_a_message_that_has_no_json_form_is_malformed() -> None:
    message = msgspec.structs.replace(REQUEST, params={"name": object()})
    with pytest.raises(MalformedMessage, match="no JSON form"):
        encode(message, context())


@pytest.mark.parametrize("name", ["extra", "left_out", "tenant"])
def test_an_unknown_field_is_kept_and_written_again(name: str) -> None:
    body = pause(**{name: {"a": [1, None]}})
    message = decode(record(body)).message
    assert message.extra == {name: {"a": [1, None]}}
    written = encode(message, context()).value
    assert written is not None
    assert msgspec.json.decode(written) == body


def test_a_field_that_was_absent_is_written_once_it_changes() -> None:
    message = decode(record({"batch_id": "b-1", "status": "x"}, place=PLACE)).message
    assert isinstance(message, BatchStatusUpdateRequest)
    changed = msgspec.structs.replace(message, processed=7)
    assert encode(message, context()).value == b'{"batch_id":"b-1","status":"x"}'
    assert encode(changed, context()).value == (
        b'{"batch_id":"b-1","status":"x","processed":7}'
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [(0, 0), (0.75, 0.75), (1, 1), (1.5, 0.015), (75, 0.75), (100, 1)],
)
def test_a_legacy_percentage_is_read_as_a_share(written: float, read: float) -> None:
    body = {"batch_id": "b-1", "status": "x", "progress": written}
    message = decode(record(body, place=PLACE)).message
    assert isinstance(message, BatchStatusUpdateRequest)
    assert message.progress == read


@pytest.mark.parametrize("progress", [-1, 100.5, "75", True])
def test_a_progress_that_is_neither_share_nor_percentage_is_malformed(
    progress: object,
) -> None:
    with pytest.raises(MalformedMessage, match=r"^progress: "):
        decode(record({"batch_id": "b-1", "status": "x", "progress": progress}))


@pytest.mark.parametrize("field", ["batch_id", "batch_type", "template"])
@pytest.mark.parametrize("how", ["absent", "null", "empty"])
def test_a_request_without_a_required_field_names_it(field: str, how: str) -> None:
    body: dict[str, object] = {
        "batch_id": "b-1",
        "batch_type": "sms",
        "template": "Hi",
        "recipients": ["+1"],
    }
    if how == "absent":
        del body[field]
    else:
        body[field] = None if how == "null" else ""
    with pytest.raises(MalformedMessage) as caught:
        decode(record(body))
    assert caught.value.field == field


@pytest.mark.parametrize("value", [False, "0", [], -1])
@pytest.mark.parametrize("field", ["priority", "timeout"])
def test_only_the_number_zero_means_absent(field: str, value: object) -> None:
    body = {
        "batch_id": "b-1",
        "batch_type": "sms",
        "template": "Hi",
        "recipients": ["+1"],
        field: value,
    }
    with pytest.raises(MalformedMessage, match=f"^{field}: "):
        decode(record(body))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "tombstone"),
        (b"", "tombstone"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"batch_id":"\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":1e999}', "not JSON"),
        (b"[1]", "no JSON object"),
        (b"null", "no JSON object"),
    ],
)
def test_a_value_that_is_no_json_object_is_malformed(
    value: bytes | None, problem: str
) -> None:
    with pytest.raises(MalformedMessage, match=problem):
        decode(Record(key=b"b-1", value=value))


def test_a_ce_id_is_the_event_id() -> None:
    decoded = decode(record(pause(), ("ce_id", b"e-1"), place=PLACE))
    assert decoded.event_id == "e-1"


def test_without_a_ce_id_the_request_id_is_the_event_id_within_its_type() -> None:
    request = msgspec.structs.replace(encode(REQUEST, context()), headers=())
    assert decode(request).event_id == "batch_request:req-1:b-1"


def test_requests_of_one_request_id_for_two_batches_are_two_events() -> None:
    """Else the second, which is a conflict, would pass for a repeat of the first."""
    other = msgspec.structs.replace(REQUEST, batch_id="b-2")
    plain = [
        msgspec.structs.replace(encode(message, context()), headers=())
        for message in (REQUEST, other)
    ]
    assert len({decode(one).event_id for one in plain}) == 2


def test_a_request_its_status_and_its_operation_are_three_events() -> None:
    """The specification's samples have one request_id for all three."""
    plain = [
        msgspec.structs.replace(encode(message, context()), headers=())
        for message in MESSAGES
    ]
    assert len({decode(one).event_id for one in plain}) == 3


def test_two_status_updates_of_one_request_id_are_two_events() -> None:
    """Services that exist name every update of a batch after its request."""
    half, full = (
        record({"batch_id": "b-1", "request_id": "r", "status": "x", "progress": n})
        for n in (0.5, 1)
    )
    assert decode(half).event_id != decode(full).event_id
    assert decode(half).event_id == decode(half).event_id


def test_two_operations_of_one_request_id_are_two_events() -> None:
    """The second is to be refused aloud, not to be swallowed as a repeat."""
    first, second = record(pause()), record(pause(operation="resume"))
    assert decode(first).event_id != decode(second).event_id
    assert decode(first).event_id == decode(record(pause(), place=PLACE)).event_id


def test_without_any_id_the_place_is_the_event_id() -> None:
    decoded = decode(record(pause(request_id=""), place=PLACE))
    assert decoded.event_id == "sms-batch-events:3:1700"


def test_a_record_that_nothing_identifies_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="request_id: is missing"):
        decode(record(pause(request_id=None)))


def test_all_headers_are_kept_known_or_not() -> None:
    headers: Headers = (
        ("x", b"\xff"),
        ("message_type", b"batch_operation"),
        ("x", None),
    )
    assert decode(record(pause(), *headers)).headers == headers


@pytest.mark.parametrize("text", [b"A7", b"-1", b"9" * 20, "\u0661".encode(), b""])
def test_a_sequence_in_another_form_is_no_number_of_ours(text: bytes) -> None:
    assert decode(record(pause(), ("ce_sequence", text))).sequence is None


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "message_type", "content-type"])
def test_a_header_that_is_not_utf_8_is_malformed(name: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode(record(pause(), (name, b"\xff")))
    assert caught.value.field == f"header {name}"
