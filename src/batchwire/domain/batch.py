"""A batch: what was asked for, where it stands, and its live numbers."""

from datetime import datetime
from enum import StrEnum

import msgspec

from batchwire.domain.counts import Counts
from batchwire.domain.events import State
from batchwire.domain.outcome import Outcome


class OnUncertain(StrEnum):
    """What to do with a submission whose answer is unknown."""

    HOLD = "hold"  # shown and counted; an operator decides by retry
    RESEND = "resend"  # once more under the same idempotency key
    DROP = "drop"  # given up as failed; retry leaves it alone


class ListFormat(StrEnum):
    """How the stored list is read."""

    CSV = "csv"  # RFC 4180, first record is the header
    PLAIN = "plain"  # one number a line
    JSONL = "jsonl"  # one {"to": …, "params": {…}} a line


class ListSpec(msgspec.Struct, frozen=True, kw_only=True):
    """
    How to read a stored list.

    ``columns`` are a CSV's header; ``number_column`` is the 0-based one that holds the
    number. ``source`` is the file's name, for messages; ``first_line`` the 1-based line
    at which its records start; ``records`` about how many there are. ``blocks``: in
    how many it is stored; 0 where that was not counted yet.
    """

    list_id: str
    format: ListFormat
    source: str = ""
    columns: tuple[str, ...] = ()
    number_column: int = 0
    delimiter: str = ","
    first_line: int = 1
    records: int = 0
    blocks: int = 0


class BatchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was asked for; never changes. The fields of ``BatchMessageRequest``.

    ``timeout_s``: longest time a running batch may go without progress.
    ``rate_parts_per_s`` limits this batch below its provider's rate; 0 is unlimited.
    """

    batch_id: str
    request_id: str
    list: ListSpec
    template: str
    provider: str
    created_at: datetime
    params: dict[str, str] = {}
    user_id: str = ""
    message_type: str = "template"
    default_region: str = ""
    schedule_time: datetime | None = None
    not_after: datetime | None = None
    priority: int = 5
    max_retries: int = 3
    timeout_s: int = 300
    rate_parts_per_s: float = 0.0
    on_uncertain: OnUncertain = OnUncertain.HOLD
    smart_encoding: bool = False
    chunk_size: int = 1000

    def encode(self) -> bytes:
        """JSON as it is stored; the first event has its hash."""
        return msgspec.json.encode(self)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """
    A batch as stored.

    ``counts`` and ``parts`` are live; ``state`` is as of the last event.
    ``limited_by`` answers "why is it not sending". ``resume_at``: when the service
    itself tries again after it paused the batch. ``prepared_by``: the worker that
    prepares it now.
    """

    spec: BatchSpec
    state: State
    counts: Counts
    parts: int
    limited_by: str = ""
    resume_at: datetime | None = None
    prepared_by: str = ""

    @property
    def open_recipients(self) -> int:
        """Recipients without a final outcome."""
        return self.counts[Outcome.OPEN]
