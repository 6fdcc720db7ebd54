"""Identifiers: what a batch_id and a request_id look like, and UUIDv7."""

import re
from uuid import UUID

BATCH_ID_PATTERN = "[A-Za-z0-9._:-]{1,128}"
BATCH_ID_RULE = "1 to 128 characters out of A-Z a-z 0-9 . _ : -"
REQUEST_ID_LONGEST = 255  # characters

_BATCH_ID = re.compile(BATCH_ID_PATTERN)


def is_batch_id(text: str) -> bool:
    """Whether ``text`` follows ``BATCH_ID_RULE``."""
    return _BATCH_ID.fullmatch(text) is not None


def uuid7(unix_ms: int, randomness: bytes) -> UUID:
    """
    Return the UUIDv7 of a time and 10 random bytes; its text sorts by the time.

    ``unix_ms``: milliseconds since 1970, 0 up to 2**48 - 1. Of the 80 random bits the
    74 that fit are used: the upper 2 and those under the variant are dropped.

    Raises:
        ValueError: the time or the number of random bytes does not fit.

    Source: RFC 9562, section 5.7.
    """
    if not 0 <= unix_ms < 1 << 48:
        msg = f"unix_ms {unix_ms} does not fit 48 bits"
        raise ValueError(msg)
    if len(randomness) != 10:  # noqa: PLR2004 - rand_a and rand_b are 74 bits
        msg = f"10 random bytes are needed, not {len(randomness)}"
        raise ValueError(msg)
    bits = int.from_bytes(randomness)
    rand_a = bits >> 64 & 0xFFF
    rand_b = bits & (1 << 62) - 1
    return UUID(int=unix_ms << 80 | 7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)
