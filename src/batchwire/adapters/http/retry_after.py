"""The ``Retry-After`` header (RFC 9110 chapter 10.2.3)."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

Header = Callable[[str], str]  # a name in lower case; empty where it is absent
_LONGEST_S: Final = 1e9  # as good as never; no float holds 5,000 digits
_SECONDS: Final = re.compile(r"\d+(\.\d*)?", re.ASCII)


def retry_after_s(header: Header) -> float | None:
    """
    Return the seconds to wait, ≥ 0; None where the answer does not say it readably.

    A fraction, which the RFC does not know, is rounded up. A date counts from the
    answer's own ``Date`` where it has one, so that a clock that differs from the
    provider's does no harm.
    """
    value = header("retry-after").strip()
    if _SECONDS.fullmatch(value):
        return float(math.ceil(min(float(value), _LONGEST_S)))
    until = _date(value)
    if until is None:
        return None
    now = _date(header("date")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
