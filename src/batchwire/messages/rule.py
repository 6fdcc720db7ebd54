"""
What a rule of a message is: it checks, it reads, and it describes itself.

The rule of a field stands in its annotation, ``Annotated[int, Whole(1, 10)]``. The check
and the published schema (``messages.schema``) are made from it, so they cannot drift.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from batchwire.errors import MalformedMessage

Schema = dict[str, Any]


class Rule(ABC):
    """What one field may hold."""

    __slots__ = ()

    is_converted: ClassVar[bool] = False  # whether ``read`` changes plain values too

    @abstractmethod
    def keep(self, field: str, value: object) -> object:
        """
        Return the value that the message keeps.

        Raises:
            MalformedMessage: the value breaks the rule.

        """

    def read(self, field: str, value: object) -> object:  # noqa: ARG002 - some need it
        """Return what a JSON value, not null, stands for; None for "absent"."""
        return value

    def plain(self) -> Any:  # noqa: ANN401 - any type that msgspec takes
        """
        Return a type; JSON of it is what ``keep`` takes and neither changes.

        None where there is none. ``is_converted``: it is what ``read`` may convert.
        """
        return None

    @abstractmethod
    def schema(self) -> Schema:
        """Return the JSON Schema of what is read, null aside."""


@dataclass(frozen=True, slots=True)
class ExactlyOne:
    """A rule of two fields: one of them says something, the other nothing."""

    first: str
    second: str

    def check(self, message: object) -> None:
        """
        Check a message.

        Raises:
            MalformedMessage: both say something, or neither.

        """
        says_first = bool(getattr(message, self.first))
        if says_first != bool(getattr(message, self.second)):
            return
        if says_first:
            problem = f"stands beside {self.first}; give one of the two"
            raise MalformedMessage(self.second, problem)
        raise MalformedMessage(self.first, f"is empty, and there is no {self.second}")

    def schema(self) -> Schema:
        """Return the JSON Schema that an object has to fit beside its fields'."""
        something = {"type": ["array", "string"], "minItems": 1, "minLength": 1}
        return {
            "oneOf": [
                {"required": [name], "properties": {name: something}}
                for name in (self.first, self.second)
            ]
        }
