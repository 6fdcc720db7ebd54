"""A batch: what was asked for, where it stands, and its live numbers."""

import re
from datetime import datetime
from enum import StrEnum

import msgspec

from batchwire.domain.counts import Counts
from batchwire.domain.events import State
from batchwire.domain.outcome import Outcome

_LONGEST_TRACESTATE = 512  # characters; so many must be passed on, chapter 3.3.1.5
# No more follows in version 00; version ff and an id of zeros are invalid.
_is_traceparent = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}"
    r"-[0-9a-f]{2}(?:-.*)?"
).fullmatch


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
    at which its records start; ``records`` how many there are, blank lines not among them.
    ``blocks``: in how many it is stored; 0 where that was not counted yet.
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


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """
    To which distributed trace a request belongs, as its producer said; else empty.

    Source: W3C Trace Context, chapter 3.
    """

    traceparent: str = ""
    tracestate: str = ""

    @classmethod
    def read(cls, traceparent: str, tracestate: str) -> "Trace":
        """Read both; what is not valid is ignored, and the state with its parent."""
        if not _is_traceparent(traceparent):
            return cls()
        state = tracestate if len(tracestate) <= _LONGEST_TRACESTATE else ""
        return cls(traceparent=traceparent, tracestate=state)


class BatchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was asked for; never changes. The fields of ``BatchMessageRequest``.

    ``timeout_s``: longest time a running batch may go without progress.
    ``rate_parts_per_s`` limits this batch below its provider's rate; 0 is unlimited.
    ``trace`` goes with all that the topic is told of the batch.
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
    trace: Trace = Trace()

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
