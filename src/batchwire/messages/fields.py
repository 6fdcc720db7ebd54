"""The rules of CONTRACT.md, one class a kind of field."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from batchwire.domain.identifiers import BATCH_ID_PATTERN, BATCH_ID_RULE, is_batch_id
from batchwire.errors import MalformedMessage
from batchwire.messages import rules
from batchwire.messages.recipients import Recipients, to_recipients
from batchwire.messages.rule import Rule, Schema
from batchwire.messages.times import RFC3339_PATTERN, parse_time


@dataclass(frozen=True, slots=True)
class Text(Rule):
    """A string of at most ``longest`` characters; ``known`` are values it often has."""

    longest: int = rules.INT32_MAX
    is_required: bool = False
    known: tuple[str, ...] = ()

    def keep(self, field: str, value: object) -> object:
        """Check it."""
        text = rules.text(field, value, longest=self.longest)
        if self.is_required and not text:
            raise MalformedMessage(field, "is empty but required")
        return text

    def plain(self) -> Any:  # noqa: ANN401 - as Rule
        """Name its type."""
        least = 1 if self.is_required else None
        longest = self.longest if self.longest < rules.INT32_MAX else None
        return Annotated[str, Meta(min_length=least, max_length=longest)]

    def schema(self) -> Schema:
        """Describe it."""
        schema: Schema = {"type": "string", "pattern": "^[^\\x00]*$"}
        if self.is_required:
            schema["minLength"] = 1
        if self.longest < rules.INT32_MAX:
            schema["maxLength"] = self.longest
        if self.known:
            schema["examples"] = [str(name) for name in self.known]
        return schema


@dataclass(frozen=True, slots=True)
class BatchId(Rule):
    """The name of a batch."""

    def keep(self, field: str, value: object) -> object:
        """Check it."""
        if not isinstance(value, str) or not is_batch_id(value):
            raise rules.refuse(field, value, BATCH_ID_RULE)
        return value

    def plain(self) -> Any:  # noqa: ANN401 - as Rule
        """Name its type."""
        return Annotated[str, Meta(pattern=rf"\A{BATCH_ID_PATTERN}\Z")]

    def schema(self) -> Schema:
        """Describe it."""
        return {"type": "string", "pattern": f"^{BATCH_ID_PATTERN}$"}


@dataclass(frozen=True, slots=True)
class Whole(Rule):
    """A whole number from ``least`` to ``most``; Go may write 0 for "absent"."""

    least: int
    most: int = rules.INT64_MAX
    zero_is_absent: bool = False

    def keep(self, field: str, value: object) -> object:
        """Check it."""
        rules.whole(field, value, self.least, self.most)
        return value

    def read(self, field: str, value: object) -> object:  # noqa: ARG002 - as Rule
        """Take 0 for "absent" where it means that."""
        if self.zero_is_absent and value == 0 and value is not False:
            return None
        return value

    def plain(self) -> Any:  # noqa: ANN401 - as Rule
        """Name its type."""
        return Annotated[int, Meta(ge=self.least, le=self.most)]

    def schema(self) -> Schema:
        """Describe it."""
        least = 0 if self.zero_is_absent else self.least
        return {"type": "integer", "minimum": least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Share(Rule):
    """A number from 0 to 1; over 1 and up to 100 it is read as a legacy percentage."""

    def keep(self, field: str, value: object) -> object:
        """Check it; ``True`` is no number."""
        kind = type(value)
        if kind not in {int, float} or not 0 <= value <= 1:  # type: ignore[operator]
            raise rules.refuse(field, value, "a number from 0 to 1")
        return value

    def read(self, field: str, value: object) -> object:  # noqa: ARG002 - as Rule
        """Make a share of a percentage; judge nothing."""
        is_percent = isinstance(value, int | float) and 1 < value <= 100  # noqa: PLR2004
        return value / 100 if is_percent else value  # type: ignore[operator]

    def plain(self) -> Any:  # noqa: ANN401 - as Rule
        """Name its type."""
        bounds = Meta(ge=0, le=1)
        return Annotated[int, bounds] | Annotated[float, bounds]

    def schema(self) -> Schema:
        """Describe it."""
        return {"type": "number", "minimum": 0, "maximum": 100}


@dataclass(frozen=True, slots=True)
class OneOf(Rule):
    """A string of a closed set, kept as its member where the set is an enum."""

    names: tuple[str, ...] | type[StrEnum]
    empty_is_absent: bool = False

    def keep(self, field: str, value: object) -> object:
        """Check it."""
        if isinstance(self.names, tuple):
            if value in self.names:
                return value
        elif (member := _member(self.names, value)) is not None:
            return member
        shown = ", ".join(str(name) or "empty" for name in self.names)
        raise rules.refuse(field, value, f"one of: {shown}")

    def read(self, field: str, value: object) -> object:  # noqa: ARG002 - as Rule
        """Take an empty string for "absent" where it means that."""
        return None if self.empty_is_absent and value == "" else value

    def plain(self) -> Any:  # noqa: ANN401 - as Rule
        """Name its type."""
        return Literal[self.names] if isinstance(self.names, tuple) else self.names

    def schema(self) -> Schema:
        """Describe it."""
        empty = [""] if self.empty_is_absent else []
        return {"type": "string", "enum": [*map(str, self.names), *empty]}


@dataclass(frozen=True, slots=True)
class JsonObject(Rule):
    """A JSON object; None where ``is_optional``."""

    is_optional: bool = False

    def keep(self, field: str, value: object) -> object:
        """Check it."""
        if value is None and self.is_optional:
            return None
        if not isinstance(value, dict) or not all(isinstance(k, str) for k in value):
            raise rules.refuse(field, value, "an object with string keys")
        return value

    def plain(self) -> Any:  # noqa: ANN401 - as Rule
        """Name its type."""
        return dict[str, Any]

    def schema(self) -> Schema:
        """Describe it."""
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class Time(Rule):
    """An aware time, kept as UTC, or None; empty and Go's zero time are "absent"."""

    is_converted: ClassVar[bool] = True

    def keep(self, field: str, value: object) -> datetime | None:
        """Turn it into UTC."""
        return rules.utc(field, value)

    def read(self, field: str, value: object) -> datetime | None:
        """Parse it."""
        return parse_time(field, value)

    def plain(self) -> Any:  # noqa: ANN401 - as Rule
        """Name the type of its text; msgspec would round what we cut off."""
        return str

    def schema(self) -> Schema:
        """Describe it; the calendar, the 30th of February, is beyond a pattern."""
        pattern = f"^(?:{RFC3339_PATTERN})?$"
        return {"type": "string", "format": "date-time", "pattern": pattern}


@dataclass(frozen=True, slots=True)
class RecipientList(Rule):
    """Strings, or objects with parameters of their own."""

    def keep(self, field: str, value: object) -> Recipients:  # noqa: ARG002 - as Rule
        """Turn objects into ``Recipient`` values."""
        return to_recipients(value)

    def schema(self) -> Schema:
        """Describe it, as the type that reads it does."""
        (described,), parts = msgspec.json.schema_components([Recipients])
        text, _ = described["items"]["anyOf"]
        entry = {k: v for k, v in parts["Recipient"].items() if k != "description"}
        return {"type": "array", "items": {"anyOf": [text, entry]}}


def _member(names: type[StrEnum], value: object) -> StrEnum | None:
    try:
        return names(value) if isinstance(value, str) else None
    except ValueError:
        return None
