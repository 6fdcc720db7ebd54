"""Which message a record is: header, CloudEvents type, legacy header, shape."""

import pytest

from batchwire.errors import UnsupportedType
from batchwire.messages.message import MessageType
from batchwire.messages.recognition import recognise

REQUEST, STATUS, OPERATION = MessageType


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"message_type": b"batch_request"}, {"operation": ""}, REQUEST),
        (
            {"message_type": b"batch_request", "ce_type": b"a.batch_operation.v1"},
            {},
            REQUEST,
        ),
        ({"message_type": b"batch_request", "ce_type": b"other"}, {}, REQUEST),
        ({"ce_type": b"org.example.batch_operation.v1"}, {}, OPERATION),
        ({"ce_type": b"org.example.batch_operation"}, {}, OPERATION),
        ({"ce_type": b"batch_status_update.v1"}, {}, STATUS),
        (
            {"ce_type": b"a.batch_request.v1", "event_type": b"batch_operation"},
            {},
            REQUEST,
        ),
        ({"event_type": b"batch_status_update"}, {"operation": ""}, STATUS),
        ({"message_type": b"", "ce_type": None}, {"operation": "pause"}, OPERATION),
        ({}, {"operation": "pause", "status": "x", "template": "x"}, OPERATION),
        ({}, {"status": "x", "recipients": []}, STATUS),
        ({}, {"recipients": []}, REQUEST),
        ({}, {"recipients_ref": "x"}, REQUEST),
        ({}, {"template": "x"}, REQUEST),
    ],
)
def test_the_first_that_says_something_names_the_type(
    headers: dict[str, bytes | None], body: dict[str, object], expected: MessageType
) -> None:
    assert recognise(headers, body) is expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"message_type": b"batch_explosion"},
        {"message_type": b"BATCH_REQUEST"},
        {"ce_type": b"org.example.invoice_paid.v1"},
        {"ce_type": b"org.example.batch_request.v1\n"},
        {"ce_type": b"org.example.xbatch_request.v1"},
        {"event_type": b"sms.sent"},
    ],
)
def test_a_record_of_no_known_type_is_unsupported(
    headers: dict[str, bytes | None],
) -> None:
    with pytest.raises(UnsupportedType):
        recognise(headers, {"batch_id": "b-1"})


@pytest.mark.parametrize("message_type", [b"", b"batch_request"])
def test_a_newer_major_version_is_unsupported_whatever_names_the_type(
    message_type: bytes,
) -> None:
    headers = {"message_type": message_type, "ce_type": b"org.example.batch_request.v2"}
    with pytest.raises(UnsupportedType, match="version 2"):
        recognise(headers, {"template": "x"})
