"""Whatever arrives, decoding ends in a message or in an error of ours."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import example, given, strategies as st

from batchwire.domain.record import Place, Record
from batchwire.errors import MalformedMessage, MessageError, UnsupportedType
from batchwire.messages.codec import Decoded, decode, encode
from batchwire.messages.envelope import EventContext
from batchwire.messages.message import MessageType, wire_fields
from batchwire.messages.requests import (
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)

PLACE = Place("sms-batch-events", 0, 0)
CONTEXT = EventContext(
    event_id="e-1",
    source="//here",
    type_prefix="org.example",
    time=datetime(2024, 1, 1, tzinfo=UTC),
)

FIELDS = sorted(
    wire_fields(BatchMessageRequest).keys()
    | wire_fields(BatchStatusUpdateRequest).keys()
    | wire_fields(BatchOperationRequest).keys()
    | {"specversion", "id", "source", "type", "data", "data_base64", "extra"}
)
HEADERS = [
    "message_type",
    "ce_type",
    "ce_id",
    "ce_sequence",
    "event_type",
    "content-type",
    "traceparent",
    "execution",
]
WORDS = ["", "b-1", "sms", "template", "pause", "delivery", "+447911123456", "1.0"]
TIMES = ["0001-01-01T00:00:00Z", "2024-01-01T00:00:00.123456789+08:00", ""]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(WORDS + TIMES)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=6)
    ),
    max_leaves=8,
)
bodies = st.dictionaries(st.sampled_from(FIELDS) | st.text(), values, max_size=12)
headers = st.lists(
    st.tuples(
        st.sampled_from(HEADERS) | st.text(),
        st.none()
        | st.binary()
        | st.sampled_from([*MessageType, "application/cloudevents+json"]).map(
            str.encode
        ),
    ),
    max_size=4,
).map(tuple)


def attempt(record: Record) -> Decoded | MessageError:
    try:
        return decode(record)
    except (MalformedMessage, UnsupportedType) as error:
        return error


def objects(required: dict[str, Any], optional: dict[str, Any]) -> Any:  # noqa: ANN401
    return st.fixed_dictionaries(required, optional=optional)


ids = st.text("aZ09._:-", min_size=1, max_size=128)
times = st.sampled_from([None, *TIMES])
counts = st.none() | st.integers(0, (1 << 63) - 1)
phases = st.sampled_from([None, "", "preparation", "delivery"])
texts = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"))
metadata = st.none() | st.dictionaries(st.text(), values, max_size=3)
recipients = st.lists(
    st.text(max_size=15)
    | objects({"to": st.text()}, {"params": metadata, "name": st.text()}),
    min_size=1,
    max_size=4,
)
sound_bodies = (
    objects(
        {
            "batch_id": ids,
            "batch_type": st.sampled_from(["sms", "email"]),
            "recipients": recipients,
            "template": st.just("Hi"),
        },
        {
            "user_id": texts,
            "message_type": st.sampled_from([None, "", "template", "marketing"]),
            "params": metadata,
            "schedule_time": times,
            "priority": st.none() | st.integers(0, 10),
            "retry_count": counts,
            "max_retries": st.none() | st.integers(0, 100),
            "timeout": st.none() | st.integers(0, 86400),
            "created_at": times,
        },
    )
    | objects(
        {"batch_id": ids, "status": st.sampled_from(["completed", "processing"])},
        {
            "current_phase": phases,
            "progress": st.none() | st.floats(0, 1) | st.integers(0, 100),
            "processed": counts,
            "error_message": texts,
            "metadata": metadata,
            "updated_at": times,
        },
    )
    | objects(
        {"batch_id": ids, "operation": st.sampled_from(["pause", "retry"])},
        {
            "request_id": texts.filter(lambda text: len(text or "") <= 255),
            "phase": phases,
            "reason": texts,
            "operator_id": texts,
            "metadata": metadata,
            "requested_at": times,
        },
    )
)


@given(st.binary(), headers)
@example(b"{" * 5000, ())
def test_any_bytes_and_headers_end_in_an_error_of_ours(
    value: bytes, pairs: tuple[tuple[str, bytes | None], ...]
) -> None:
    outcome = attempt(Record(key=None, value=value, headers=pairs))
    assert isinstance(outcome, MessageError)
    assert str(outcome)


@given(bodies, headers)
def test_any_object_and_headers_end_in_a_message_or_an_error_of_ours(
    body: dict[str, Any], pairs: tuple[tuple[str, bytes | None], ...]
) -> None:
    value = msgspec.json.encode(body)
    outcome = attempt(Record(key=None, value=value, headers=pairs))
    assert isinstance(outcome, Decoded) or str(outcome)


@given(sound_bodies, st.dictionaries(st.text().map("x-{}".format), values, max_size=3))
def test_a_sound_message_is_written_and_read_as_the_same(
    body: dict[str, Any], unknown: dict[str, Any]
) -> None:
    value = msgspec.json.encode(body | unknown)
    message = decode(Record(key=None, value=value, place=PLACE)).message
    assert message.extra == unknown
    written = msgspec.structs.replace(encode(message, CONTEXT), headers=(), place=PLACE)
    assert decode(written).message == message
    assert written.value is not None
    assert msgspec.json.decode(written.value).keys() <= (body | unknown).keys()
