"""What is read in one go is what would be read field by field."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from tests.messages.test_codec_fuzz import bodies, sound_bodies

from batchwire.messages.body import read_body, write_body
from batchwire.messages.json_object import format_object
from batchwire.messages.plain import read_plain
from batchwire.messages.requests import (
    KINDS,
    AnyBatchMessage,
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)

STATUS: dict[str, Any] = {
    "request_id": "r",
    "batch_id": "b",
    "status": "delivery_running",
    "current_phase": "delivery",
    "progress": 1,
    "processed": 7,
    "error_message": "ü",
    "metadata": {"a": [None]},
    "updated_at": "2024-01-01T08:00:00.123456789+08:00",
}
OPERATION: dict[str, Any] = {"batch_id": "b", "operation": "pause", "reason": "why"}


def written(message: AnyBatchMessage) -> bytes:
    """Give its JSON, in which 1 and 1.0 differ."""
    return format_object(write_body(message))


@given(sound_bodies | bodies, st.sampled_from(list(KINDS.values())))
def test_a_plain_message_is_what_its_fields_say(
    body: dict[str, Any], kind: type[AnyBatchMessage]
) -> None:
    value = msgspec.json.encode(body)
    plain = read_plain(kind, value)
    if plain is None:
        return
    read = read_body(kind, msgspec.json.decode(value))
    assert (plain, written(plain)) == (read, written(read))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (BatchStatusUpdateRequest, STATUS),
        (BatchStatusUpdateRequest, {"batch_id": "b", "status": "x"}),
        (BatchOperationRequest, OPERATION),
    ],
)
def test_what_a_known_writer_writes_is_plain(
    kind: type[AnyBatchMessage], body: dict[str, Any]
) -> None:
    for number in range(2):  # the second is made after the pattern of the first
        some = body | {"batch_id": f"b{number}"}
        plain = read_plain(kind, msgspec.json.encode(some))
        assert plain is not None
        read = read_body(kind, some)
        assert (plain, written(plain)) == (read, written(read))


@pytest.mark.parametrize(
    "change",
    [
        {"processed": None},
        {"processed": True},
        {"processed": -1},
        {"processed": 1 << 63},
        {"progress": 50},
        {"status": ""},
        {"status": "a\0b"},
        {"current_phase": "elsewhere"},
        {"request_id": "r" * 256},
        {"batch_id": "b\n"},
        {"updated_at": "0001-01-01T00:00:00Z"},
        {"updated_at": "yesterday"},
        {"metadata": None},
        {"unknown": 1},
    ],
    ids=str,
)
def test_what_needs_a_second_look_is_not_plain(change: dict[str, Any]) -> None:
    value = msgspec.json.encode(STATUS | change)
    assert read_plain(BatchStatusUpdateRequest, value) is None


def test_a_request_is_read_field_by_field() -> None:
    body = {"batch_id": "b", "batch_type": "sms", "template": "t", "recipients": ["1"]}
    assert read_plain(BatchMessageRequest, msgspec.json.encode(body)) is None


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b'{"batch_id":"b"}', b'{"status":"\xff"}', b"[" * 5000]
)
def test_a_fault_is_named_by_others(value: bytes) -> None:
    assert read_plain(BatchStatusUpdateRequest, value) is None
