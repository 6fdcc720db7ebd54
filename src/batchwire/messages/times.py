"""Times on the wire: RFC 3339 in, UTC out."""

import re
from datetime import UTC, datetime, timedelta

from batchwire.messages.rules import refuse

RFC3339_PATTERN = (
    r"([0-9]{4})-[0-9]{2}-[0-9]{2}[Tt ]"
    r"[0-9]{2}:[0-9]{2}:([0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)

_RULE = "an RFC 3339 time such as 2024-01-01T00:00:00Z"
_RULE_OF_ZONE = "a time with its zone: Z (UTC), or an offset such as +01:00, behind it"
_GO_ZERO_YEAR = "0001"  # Go prints its zero time in any zone, all in this year
_RFC3339 = re.compile(RFC3339_PATTERN)


def parse_time(field: str, value: object) -> datetime | None:
    """
    Return the time as UTC; ``None`` for Go's zero time and for an empty string.

    Any offset and any number of fraction digits; those after the sixth are cut off
    (never rounded, so no time moves forward). A leap second is the second after it.

    Raises:
        MalformedMessage: anything else; names ``field`` and the value.

    Source: RFC 3339, section 5.6; Go package time, ``Time.IsZero``.
    """
    if value == "":
        return None
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        lacks_zone = isinstance(value, str) and _RFC3339.fullmatch(f"{value}Z")
        raise refuse(field, value, _RULE_OF_ZONE if lacks_zone else _RULE)
    if match[1] == _GO_ZERO_YEAR:
        return None
    try:
        return _utc(match)
    except (ValueError, OverflowError):
        raise refuse(field, value, _RULE) from None


def format_time(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC: ``2024-01-01T00:00:00Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _utc(match: re.Match[str]) -> datetime:
    text = match[0].upper()
    if match[2] != "60":
        if text[-1] == "Z":  # as nearly all have it: it is UTC as it stands
            return datetime.fromisoformat(text)
        return datetime.fromisoformat(text).astimezone(UTC)
    start, end = match.span(2)
    second = datetime.fromisoformat(f"{text[:start]}59{text[end:]}").astimezone(UTC)
    return second + timedelta(seconds=1)
