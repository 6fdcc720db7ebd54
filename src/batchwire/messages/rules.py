"""
Checks that rules are made of; they name field, value and rule.

They take any object, so that a value from JSON and one from a caller are judged alike.
Each raises ``MalformedMessage`` and nothing else.
"""

from datetime import UTC, datetime

from batchwire.errors import MalformedMessage

INT64_MAX = (1 << 63) - 1  # what Go's int and a database column hold
INT32_MAX = (1 << 31) - 1

_SHOWN = 60  # characters of a bad value in an error message


def refuse(field: str, value: object, rule: str) -> MalformedMessage:
    """
    Make the error for a value that breaks a rule.

    Long values are cut; of lists and objects only the type is shown.
    """
    is_nested = isinstance(value, dict | list | tuple)
    shown = f"a {type(value).__name__}" if is_nested else ascii(value)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    return MalformedMessage(field, f"{shown} is not {rule}")


def text(field: str, value: object, *, longest: int = INT32_MAX) -> str:
    """
    Check a string of at most ``longest`` characters that every database can hold.

    PostgreSQL refuses NUL, UTF-8 has no lone surrogates. Returns it. The value is not
    repeated in the error: it may be the text of a message.
    """
    if not isinstance(value, str):
        raise MalformedMessage(field, f"is not a string but {type(value).__name__}")
    if len(value) > longest:
        problem = f"has {len(value)} characters, more than the {longest} allowed"
        raise MalformedMessage(field, problem)
    if "\0" in value:
        raise MalformedMessage(field, "holds a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        problem = "holds half a surrogate pair"
        raise MalformedMessage(field, problem) from None
    return value


def required(field: str, value: object) -> None:
    """Check a string that must not be empty."""
    if not text(field, value):
        raise MalformedMessage(field, "is empty but required")


def whole(field: str, value: object, least: int, most: int = INT64_MAX) -> None:
    """Check a whole number; ``True`` is none."""
    if type(value) is not int or not least <= value <= most:
        limit = "64 bits" if most == INT64_MAX else str(most)
        raise refuse(field, value, f"a whole number from {least} to {limit}")


def utc(field: str, value: object) -> datetime | None:
    """Return an aware time as UTC, ``None`` as it is."""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise refuse(field, value, "a time with an offset")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise refuse(field, value, "a time of the years 1 to 9999 in UTC") from None
