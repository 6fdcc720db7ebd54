"""JSON text to object and back, without a foreign exception."""

from collections.abc import Mapping
from typing import Any

import msgspec

from batchwire.errors import MalformedMessage


def parse_object(value: bytes | None) -> dict[str, Any]:
    """
    Return the JSON object that ``value`` holds.

    Raises:
        MalformedMessage: empty, not JSON, not UTF-8, nested too deeply, or no object.
    """
    if not value:
        raise MalformedMessage(field="", problem="the value is empty: a tombstone")
    try:
        body = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = f"the value is not JSON: {error}"
        raise MalformedMessage(field="", problem=problem) from None
    if not isinstance(body, dict):
        raise MalformedMessage(field="", problem="the value is no JSON object")
    return body


def format_object(body: Mapping[str, Any]) -> bytes:
    """
    Return a JSON object as UTF-8.

    Raises:
        MalformedMessage: something in it has no JSON form.
    """
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"the message has no JSON form: {error}"
        raise MalformedMessage(field="", problem=problem) from None
