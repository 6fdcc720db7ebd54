"""
An observed batch: another system executes it and tells us where it is.

Its facts stand in the same log as those of our own batches, numbered and chained
alike. What comes late or twice changes nothing: the state is that of the newest report,
whatever order the reports came in.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from batchwire.domain.events import Event, EventType, Fact
from batchwire.domain.lifecycle import Status

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a status update says (``BatchStatusUpdateRequest``).

    ``status`` may be any name. ``number`` is the sender's own numbering of the batch's
    events, from 1; 0 where it has none, and then ``at`` tells which is newer.
    """

    status: str
    phase: str = ""
    progress: float = 0.0
    processed: int = 0
    success: int = 0
    failed: int = 0
    error_message: str = ""
    at: datetime | None = None
    number: int = 0
    source: str = ""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What a system says of a batch that it is going to execute."""

    user_id: str = ""
    batch_type: str = "sms"
    recipients: int = 0
    source: str = ""
    created_at: datetime | None = None


class ObservedState(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is known of an observed batch from its events.

    ``sequence`` is the number of the last event in our log; ``number`` and ``at`` are
    those of the newest report. ``created_at`` and ``updated_at`` are the times of our
    first and last event.
    """

    status: str = ""
    phase: str = ""
    progress: float = 0.0
    processed: int = 0
    success: int = 0
    failed: int = 0
    error_message: str = ""
    at: datetime | None = None
    number: int = 0
    source: str = ""
    user_id: str = ""
    recipients: int = 0
    is_announced: bool = False
    sequence: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def encode(self) -> bytes:
        """Canonical JSON: equal states have equal bytes."""
        return msgspec.json.encode(self, order="deterministic")


class ObservedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """An observed batch as stored."""

    batch_id: str
    state: ObservedState

    @property
    def has_ended(self) -> bool:
        """Whether its status is one of ours that ends; of others nobody knows."""
        return any(one == self.state.status and one.has_ended for one in Status)


def reported(state: ObservedState, report: Report) -> Fact:
    """Make the fact of a report; it changes nothing where a newer one is known."""
    # As it is read back: many write a progress of 0 or 1 without a fraction.
    told = {**msgspec.structs.asdict(report), "progress": float(report.progress)}
    if is_stale(state, report):
        return Fact(type=EventType.STATUS, data={**told, "stale": True})
    return Fact(type=EventType.STATUS, delta=told)


def announced(state: ObservedState, announcement: Announcement) -> Fact:
    """Make the fact of an announcement, which may come after the first reports."""
    data = msgspec.to_builtins(announcement)
    delta: dict[str, Any] = {
        "user_id": announcement.user_id,
        "recipients": announcement.recipients,
        "is_announced": True,
    }
    if not state.source:
        delta["source"] = announcement.source
    return Fact(type=EventType.REQUEST, data=data, delta=delta)


def is_stale(state: ObservedState, report: Report) -> bool:
    """Whether something newer than the report is known."""
    if report.number and state.number:
        return report.number < state.number
    return (report.at or _NEVER) < (state.at or _NEVER)


def step(state: ObservedState, event: Event) -> ObservedState:
    """Apply one event to the state before it."""
    changed = event.delta
    if isinstance(changed.get("at"), str):  # as it comes out of the log
        changed = {**changed, "at": datetime.fromisoformat(changed["at"])}
    return msgspec.structs.replace(
        state,
        **changed,
        sequence=event.sequence,
        created_at=state.created_at or event.at,
        updated_at=event.at,
    )


def fold(events: Iterable[Event]) -> ObservedState:
    """Apply events in order to the empty state."""
    state = ObservedState()
    for event in events:
        state = step(state, event)
    return state
