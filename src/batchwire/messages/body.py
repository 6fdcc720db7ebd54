"""
The JSON object of a message, read and written.

Read: Go's zero values are taken for "absent", times of any offset for UTC, a legacy
percentage for a share. Written: what the record had, or what a new one must have.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import FieldInfo

from batchwire.errors import MalformedMessage
from batchwire.messages.message import BatchMessage, wire_fields
from batchwire.messages.times import parse_time

M = TypeVar("M", bound=BatchMessage)

_MEANS_ABSENT: Mapping[str, object] = {"message_type": "", "priority": 0, "timeout": 0}

_LEFT_OUT_BY_DEFAULT = frozenset(  # optional: written only where they say something
    {
        "provider_type",
        "recipients",
        "recipients_ref",
        "schedule_time",
        "retry_count",
        "not_after",
        "created_at",
        "updated_at",
        "phase",
        "reason",
        "metadata",
        "requested_at",
    }
)


def read_body(kind: type[M], body: Mapping[str, Any]) -> M:
    """
    Return the message of type ``kind`` that a JSON object holds.

    Raises:
        MalformedMessage: a field is missing or breaks its rule.
    """
    known = wire_fields(kind)
    values: dict[str, Any] = {
        name: value
        for name in known
        if name in body and (value := _read(name, body[name])) is not None
    }
    for name, field in known.items():
        if field.required and name not in values:
            raise MalformedMessage(name, "is missing")
    return kind(
        **values,
        extra={name: value for name, value in body.items() if name not in known},
        left_out=frozenset(known.keys() - values.keys()) - _LEFT_OUT_BY_DEFAULT,
    )


def write_body(message: BatchMessage) -> dict[str, Any]:
    """Return the JSON object of a message: its fields, then those we do not know."""
    may_miss = _LEFT_OUT_BY_DEFAULT | message.left_out
    fields = {
        name: getattr(message, name)
        for name, field in wire_fields(type(message)).items()
        if name not in may_miss or getattr(message, name) != _default(field)
    }
    return {**fields, **message.extra}


def _read(name: str, value: object) -> object:
    if name in _MEANS_ABSENT and value is not False and value == _MEANS_ABSENT[name]:
        return None
    reader = _READERS.get(name)
    return reader(name, value) if reader and value is not None else value


def _default(field: FieldInfo) -> object:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def _share(_: str, value: object) -> object:
    """Read a legacy percentage, over 1 up to 100, as a share; judge nothing."""
    is_percent = isinstance(value, int | float) and 1 < value <= 100  # noqa: PLR2004
    return value / 100 if is_percent else value  # type: ignore[operator]


_READERS: Mapping[str, Callable[[str, object], object]] = {
    "schedule_time": parse_time,
    "not_after": parse_time,
    "created_at": parse_time,
    "updated_at": parse_time,
    "requested_at": parse_time,
    "progress": _share,
}
