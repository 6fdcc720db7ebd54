"""Durations as Go writes them, and as plain seconds."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS_S = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60,
    "h": 3600,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def seconds(value: Any) -> Any:  # noqa: ANN401 unvalidated
    """
    Read ``1m30s``, ``500ms``; a number is seconds.

    Raises:
        ValueError: a text that is neither.

    Source: Go, ``time.ParseDuration``.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        problem = "must be a duration such as 1s, 500ms or 1m30s"
        raise ValueError(problem) from None


Duration = Annotated[float, BeforeValidator(seconds), Field(ge=0, le=86_400)]
