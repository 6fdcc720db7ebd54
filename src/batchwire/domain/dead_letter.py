"""A dead letter: a record that could not be handled, and why."""

from datetime import datetime
from enum import StrEnum

import msgspec

from batchwire.domain.record import Record


class Disposition(StrEnum):
    """Why a record is a dead letter (header ``x-dlq-disposition``)."""

    MALFORMED = "malformed"
    UNSUPPORTED_TYPE = "unsupported-type"
    ILLEGAL_TRANSITION = "illegal-transition"
    UNKNOWN_BATCH = "unknown-batch"
    CONFLICT = "conflict"
    RETRIES_EXHAUSTED = "retries-exhausted"
    TOO_LARGE = "too-large"
    MANUAL = "manual"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """
    One record that could not be handled.

    ``record`` is untouched; ``topic`` is where it was to be handled again. ``group`` is
    the consumer that gave it up, empty for what we could not publish. ``deliveries``
    counts how often it was tried, ``replays`` how often it was redriven, the last time
    by ``redriven_by``; ``redriven_at`` is set from a redrive until it is given up again.
    """

    id: int = 0
    event_id: str
    batch_id: str
    disposition: Disposition
    message: str
    record: Record
    topic: str
    group: str = ""
    deliveries: int = 1
    failed_at: datetime
    replays: int = 0
    redriven_at: datetime | None = None
    redriven_by: str = ""
