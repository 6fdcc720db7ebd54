"""What the three messages have in common."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec.structs import FieldInfo, force_setattr

from batchwire.domain.identifiers import BATCH_ID_RULE, REQUEST_ID_LONGEST
from batchwire.errors import MalformedMessage
from batchwire.messages.fields import BatchId, JsonObject, Text
from batchwire.messages.rule import ExactlyOne, Rule

_EXTRA = JsonObject()


class MessageType(StrEnum):
    """What a record is; the value of its header ``message_type``."""

    BATCH_REQUEST = "batch_request"
    BATCH_STATUS_UPDATE = "batch_status_update"
    BATCH_OPERATION = "batch_operation"


class WireField(msgspec.Struct, frozen=True):
    """A field that stands in the JSON of a message."""

    rule: Rule
    meaning: str
    is_required: bool
    default: Any = None


class BatchMessage(msgspec.Struct, frozen=True, kw_only=True):
    """
    The base of the three messages.

    An annotation holds the rule of its field, and what the field means. ``extra``:
    fields of the record that we do not know, as JSON values; written again.
    ``left_out``: known fields that the record did not have; left out again for as long
    as they have their default.
    """

    TYPE: ClassVar[MessageType]
    TOGETHER: ClassVar[tuple[ExactlyOne, ...]] = ()  # rules of several fields

    request_id: Annotated[
        str, Text(REQUEST_ID_LONGEST), "The sender's own id of what it asks or says."
    ] = ""
    batch_id: Annotated[str, BatchId(), f"{BATCH_ID_RULE}; also the record's key."]
    extra: dict[str, Any] = {}
    left_out: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        known = wire_fields(type(self))
        for name, field in known.items():
            value = getattr(self, name)
            kept = field.rule.keep(name, value)
            if kept is not value:
                force_setattr(self, name, kept)
        _EXTRA.keep("extra", self.extra)
        for name in sorted(self.extra.keys() & known.keys()):
            problem = f"holds {name}, which is a known field"
            raise MalformedMessage(field="extra", problem=problem)
        for rule in self.TOGETHER:
            rule.check(self)


@cache
def wire_fields(kind: type[BatchMessage]) -> Mapping[str, WireField]:
    """Return the fields that stand in the JSON of a message, by name."""
    return {
        field.name: _wire_field(field)
        for field in msgspec.structs.fields(kind)
        if field.name not in {"extra", "left_out"}
    }


def _wire_field(field: FieldInfo) -> WireField:
    rule, meaning = field.type.__metadata__
    factory = field.default_factory
    default = field.default if factory is msgspec.NODEFAULT else factory()
    return WireField(rule, meaning, field.required, default)
