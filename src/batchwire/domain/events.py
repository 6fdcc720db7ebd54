"""
Facts about a batch, and the state that they fold to.

A fact carries what changed in the state as a delta, so that folding is one line and
``fold(events)`` equals the stored state byte for byte. Each event's hash covers the
hash before it: a changed or missing one is found.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from batchwire.domain.counts import ZERO, Counts
from batchwire.domain.lifecycle import Phase, Status

SPEC_HASH = "spec_sha256"  # in the data of a batch's first event
PAYLOADS_HASH = "payloads_sha256"  # in that of its seal
GENESIS = b"\0" * 32  # the hash before the first event of a batch


class EventType(StrEnum):
    """The wire's three message types, and what only the audit log knows."""

    REQUEST = "batch_request"
    STATUS = "batch_status_update"
    OPERATION = "batch_operation"
    REFUSAL = "batch_operation_refused"
    NOTE = "batch_note"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is known of a batch from its events alone.

    ``counts`` are as of the last event that carries them; the live ones move with
    every flush. ``sequence`` is the number of the last event. ``escaped`` counts the
    submissions that ended after the last pause was acknowledged. ``purged_at``: since
    when nobody knows any more who the recipients were; while they are known it is not
    there at all, so that the state of older batches keeps its bytes.
    """

    status: Status = Status.PREPARATION_READY
    phase: Phase = Phase.PREPARATION
    sequence: int = 0
    counts: Counts = ZERO
    parts: int = 0
    reason: str = ""
    error_message: str = ""
    paused_by: str = ""
    escaped: int = 0
    is_sealed: bool = False
    updated_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    purged_at: datetime | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_purged(self) -> bool:
        """Whether the recipients are forgotten; the counts stay."""
        return self.purged_at is not msgspec.UNSET

    def encode(self) -> bytes:
        """Canonical JSON: equal states have equal bytes."""
        return msgspec.json.encode(self)


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that happened, not yet numbered.

    ``data`` is for people and the wire; ``delta`` are fields of ``State`` with their
    new values.
    """

    type: EventType
    data: dict[str, Any] = {}
    delta: dict[str, Any] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact in its place: ``sequence`` counts from 1 without gap within a batch."""

    batch_id: str
    sequence: int
    type: EventType
    at: datetime
    data: dict[str, Any]
    delta: dict[str, Any]

    def digest(self, previous: bytes) -> bytes:
        """SHA-256 over the hash before and this event's canonical JSON (32 bytes)."""
        canonical = msgspec.json.encode(self, order="deterministic")
        return hashlib.sha256(previous + canonical).digest()


def step(state: State, event: Event) -> State:
    """Apply one event to the state before it."""
    fields = msgspec.to_builtins(state)
    fields.update(event.delta)
    fields["sequence"] = event.sequence
    fields["updated_at"] = event.at
    return msgspec.convert(fields, State)


def fold(events: Iterable[Event]) -> State:
    """Apply events in order to the empty state."""
    state = State()
    for event in events:
        state = step(state, event)
    return state
