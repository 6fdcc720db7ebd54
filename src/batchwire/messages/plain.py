"""
Messages that are plain, read in one go.

Nearly every record has its fields there or absent, of their types, within their limits.
Anything else (null, Go's zero values, a percentage, a field we do not know, a fault) is
not plain: ``body.read_body`` reads it, and says what is wrong. A plain message equals
what ``read_body`` gives, at a third of the cost.
"""

from collections.abc import Callable
from copy import copy
from functools import cache, lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple, force_setattr

from batchwire.errors import MalformedMessage
from batchwire.messages.body import left_out_of, read_body
from batchwire.messages.message import BatchMessage, WireField, wire_fields

M = TypeVar("M", bound=BatchMessage)

_NUL = b"\\u0000"  # JSON has no other way to write what no text of ours may hold
_NOT_PLAIN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MalformedMessage)


def read_plain(kind: type[M], value: bytes) -> M | None:
    """Return the message in the JSON of a value; None where it is not plain."""
    reader = _reader(kind)
    if reader is None or _NUL in value:
        return None
    try:
        return reader.read(value)
    except _NOT_PLAIN:
        return None


class _Field(NamedTuple):
    name: str
    field: WireField
    convert: Callable[[str, object], object] | None


class _Reader(Generic[M]):
    """
    Reads the plain messages of one kind.

    A message begins as a copy of an earlier one: made anew, its rules would judge again
    what the decoder has judged.
    """

    def __init__(self, kind: type[M], types: dict[str, Any]) -> None:
        self._kind = kind
        self._fields = [
            _Field(name, field, field.rule.read if field.rule.is_converted else None)
            for name, field in wire_fields(kind).items()
        ]
        shape = msgspec.defstruct(
            kind.__name__,
            [(name, one | UnsetType, UNSET) for name, one in types.items()],
            forbid_unknown_fields=True,
        )
        self._decode = msgspec.json.Decoder(shape).decode
        self._left_out = lru_cache(left_out_of)
        self._pattern: M | None = None

    def read(self, value: bytes) -> M | None:
        """Read one; None where it is not plain."""
        values = astuple(self._decode(value))
        if self._pattern is None:
            self._pattern = read_body(self._kind, msgspec.json.decode(value))
        message = copy(self._pattern)
        absent = []
        for (name, field, convert), given in zip(self._fields, values, strict=True):
            kept = given
            if given is UNSET:
                if field.is_required:
                    return None
                absent.append(name)
                kept = field.default
            elif convert and (kept := convert(name, given)) is None:
                return None
            force_setattr(message, name, kept)
        force_setattr(message, "extra", {})
        force_setattr(message, "left_out", self._left_out(tuple(absent)))
        return message


@cache
def _reader(kind: type[M]) -> _Reader[M] | None:
    """Make the reader of a kind; None where a field of it is of no plain type."""
    types = {name: field.rule.plain() for name, field in wire_fields(kind).items()}
    has_all = all(one is not None for one in types.values())
    return _Reader(kind, types) if has_all and not kind.TOGETHER else None
