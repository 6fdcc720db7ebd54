"""
CloudEvents in structured mode: the event as one JSON object.

Its attributes become the headers that binary mode would have, so that one code reads
both (CloudEvents 1.0, JSON event format; Kafka protocol binding, section 3.3).
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Any

from batchwire.errors import MalformedMessage, UnsupportedType
from batchwire.messages import rules
from batchwire.messages.json_object import parse_object

CONTENT_TYPE = "application/cloudevents+json"

_REQUIRED = ("specversion", "id", "source", "type")  # section 3.1 of the core
_DATA = frozenset({"data", "data_base64"})


def unwrap(event: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """
    Return the headers ``ce_…`` and the JSON object of the data.

    Raises:
        MalformedMessage: an attribute is missing, or the data is no JSON object.
        UnsupportedType: another major version of CloudEvents.
    """
    for name in _REQUIRED:
        rules.required(f"CloudEvents attribute {name}", event.get(name, ""))
    if not event["specversion"].startswith("1."):
        msg = f"CloudEvents {event['specversion']!a}: only 1.x is read"
        raise UnsupportedType(msg)
    attributes = {name: value for name, value in event.items() if name not in _DATA}
    return {f"ce_{k}": _text(v) for k, v in attributes.items()}, _data(event)


def _text(value: object) -> str:
    """Return an attribute, by its type system a string, a boolean, or an integer."""
    return value if isinstance(value, str) else str(value)


def _data(event: Mapping[str, Any]) -> dict[str, Any]:
    if "data_base64" in event:
        return parse_object(_bytes(event["data_base64"]))
    data = event.get("data")
    if not isinstance(data, dict):
        raise MalformedMessage(field="data", problem="is not a JSON object")
    return data


def _bytes(value: object) -> bytes:
    try:
        return b64decode(rules.text("data_base64", value), validate=True)
    except (NotBase64, ValueError):
        raise MalformedMessage(field="data_base64", problem="is not base64") from None
