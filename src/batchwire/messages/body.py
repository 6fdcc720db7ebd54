"""
The JSON object of a message, read and written.

Read: as the fields' rules read; null is "absent" everywhere. Written: what the record
had, or what a new one must have.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from batchwire.errors import MalformedMessage
from batchwire.messages.message import BatchMessage, wire_fields

M = TypeVar("M", bound=BatchMessage)

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
    values: dict[str, Any] = {}
    for name, field in known.items():
        value = body.get(name)
        if value is not None:
            value = field.rule.read(name, value)
        if value is not None:
            values[name] = value
        elif field.is_required:
            raise MalformedMessage(name, "is missing")
    return kind(
        **values,
        extra={name: value for name, value in body.items() if name not in known},
        left_out=left_out_of(known.keys() - values.keys()),
    )


def left_out_of(absent: Iterable[str]) -> frozenset[str]:
    """Give those of the absent fields that a new record would have."""
    return frozenset(absent) - _LEFT_OUT_BY_DEFAULT


def write_body(message: BatchMessage) -> dict[str, Any]:
    """Return the JSON object of a message: its fields, then those we do not know."""
    may_miss = _LEFT_OUT_BY_DEFAULT | message.left_out
    fields = {
        name: getattr(message, name)
        for name, field in wire_fields(type(message)).items()
        if name not in may_miss or getattr(message, name) != field.default
    }
    return {**fields, **message.extra}
