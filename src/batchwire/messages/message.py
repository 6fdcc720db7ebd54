"""What the three messages have in common."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar

import msgspec
from msgspec.structs import FieldInfo, force_setattr

from batchwire.domain.identifiers import REQUEST_ID_LONGEST
from batchwire.errors import MalformedMessage
from batchwire.messages import rules


class MessageType(StrEnum):
    """What a record is; the value of its header ``message_type``."""

    BATCH_REQUEST = "batch_request"
    BATCH_STATUS_UPDATE = "batch_status_update"
    BATCH_OPERATION = "batch_operation"


class BatchMessage(msgspec.Struct, frozen=True, kw_only=True):
    """
    The base of the three messages.

    ``extra``: fields of the record that we do not know, as JSON values; written again.
    ``left_out``: known fields that the record did not have; left out again for as long
    as they have their default.
    """

    TYPE: ClassVar[MessageType]

    request_id: str = ""  # at most 255 characters
    batch_id: str
    extra: dict[str, Any] = {}
    left_out: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        rules.batch_id(self.batch_id)
        rules.text("request_id", self.request_id, longest=REQUEST_ID_LONGEST)
        rules.mapping("extra", self.extra)
        for name in sorted(self.extra.keys() & wire_fields(type(self)).keys()):
            problem = f"holds {name}, which is a known field"
            raise MalformedMessage(field="extra", problem=problem)

    def _to_utc(self, *names: str) -> None:
        for name in names:
            force_setattr(self, name, rules.utc(name, getattr(self, name)))


@cache
def wire_fields(kind: type[BatchMessage]) -> Mapping[str, FieldInfo]:
    """Return the fields that stand in the JSON of a message, by name."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    return {k: v for k, v in fields.items() if k not in {"extra", "left_out"}}
