"""CloudEvents in structured mode."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from batchwire.domain.record import Record
from batchwire.errors import MalformedMessage, UnsupportedType
from batchwire.messages.codec import Decoded, decode

PAUSE = {"batch_id": "b-1", "operation": "pause"}


def event(**changes: object) -> dict[str, Any]:
    attributes = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "//there",
        "type": "org.example.batch_operation.v1",
        "data": PAUSE,
    }
    return {**attributes, **changes}


def read(
    body: dict[str, Any], content_type: bytes = b"application/cloudevents+json"
) -> Decoded:
    headers = (("content-type", content_type), ("execution", b"observed"))
    value = msgspec.json.encode(body)
    return decode(Record(key=None, value=value, headers=headers))


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b"application/cloudevents+json; charset=UTF-8",
        b"Application/CloudEvents+JSON ; charset=utf-8",
    ],
)
def test_the_content_type_tells_a_structured_event(content_type: bytes) -> None:
    decoded = read(event(), content_type)
    assert decoded.message.batch_id == "b-1"
    assert decoded.event_id == "//there e-1"
    assert decoded.source == "//there"


def test_headers_beside_a_structured_event_are_read_too() -> None:
    assert read(event()).is_observed


def test_data_in_base64_is_read() -> None:
    body = event(data_base64=b64encode(msgspec.json.encode(PAUSE)).decode())
    del body["data"]
    assert read(body).message.batch_id == "b-1"


def test_an_attribute_that_is_no_string_is_read_as_its_text() -> None:
    assert read(event(sequence=42)).sequence == 42


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize("value", [None, "", 1])
def test_a_required_attribute_is_asked_for(name: str, value: object) -> None:
    with pytest.raises(MalformedMessage) as caught:
        read(event(**{name: value}))
    assert caught.value.field == f"CloudEvents attribute {name}"


@pytest.mark.parametrize("data", [None, "{}", [PAUSE], 1])
def test_data_that_is_no_object_is_malformed(data: object) -> None:
    with pytest.raises(MalformedMessage, match=r"^data: "):
        read(event(data=data))


@pytest.mark.parametrize("data", [None, 1, "?", "ä", "eA==", ""])
def test_unusable_base64_is_malformed(data: object) -> None:
    with pytest.raises(MalformedMessage):
        read(event(data_base64=data))


def test_another_version_of_cloud_events_is_unsupported() -> None:
    with pytest.raises(UnsupportedType, match=r"CloudEvents '2\.0'"):
        read(event(specversion="2.0"))
