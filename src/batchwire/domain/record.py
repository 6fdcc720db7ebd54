"""What a topic carries: key, headers and value, and where it stands. No library's own."""

import msgspec

UNREADABLE = "batchwire-unreadable-headers"
"""The only header of a record whose headers could not be read: it is malformed."""

Headers = tuple[tuple[str, bytes | None], ...]


class Partition(msgspec.Struct, frozen=True):
    """One partition of a topic; ``number`` counts from 0."""

    topic: str
    number: int


class Place(msgspec.Struct, frozen=True):
    """Where a record stands in a log; ``partition`` and ``offset`` count from 0."""

    topic: str
    partition: int
    offset: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a transport carries. ``headers`` may repeat a name: the last one counts.

    ``place`` is known of records that were read, not of those to be written; so is
    ``at_ms``, when it was appended, Unix milliseconds (0 where nobody says).
    """

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    place: Place | None = None
    at_ms: int = 0
