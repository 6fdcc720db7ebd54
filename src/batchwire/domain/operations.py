"""
Deciding: from a batch and what is asked of it or found, to what changes.

Every function here takes the batch as it stands inside the store's transaction and
returns a ``Change``; nothing is written here.
"""

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from batchwire.domain import counts as numbers
from batchwire.domain.batch import Batch, BatchSpec
from batchwire.domain.events import (
    PAYLOADS_HASH,
    SPEC_HASH,
    EventType,
    Fact,
    State,
)
from batchwire.domain.lifecycle import (
    HOLDS,
    Operation,
    Phase,
    Status,
    Trigger,
    fitting,
    target,
)
from batchwire.domain.outcome import RETRYABLE, Outcome
from batchwire.errors import IllegalOperation

SERVICE = "batchwire"  # the operator_id of what the service does by itself
STOPPED = frozenset({Status.DELIVERY_PAUSED, Status.ABORTED, Status.EXPIRED})
_GOES_ON = frozenset({Status.DELIVERY_READY, Status.DELIVERY_RUNNING})
VIA_TOPIC = "topic"  # ``via`` of what a record on the topic asked for


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """
    An operation that somebody asks for (``BatchOperationRequest``).

    ``via`` says how it came: empty, or ``VIA_TOPIC``. ``selection`` tells whom a retry
    takes up, for the record.
    """

    batch_id: str
    operation: Operation
    request_id: str
    operator_id: str = ""
    reason: str = ""
    phase: Phase = Phase.NONE
    via: str = ""
    selection: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """
    What to write in one transaction.

    ``close_open_as`` ends every open recipient with that outcome. ``resume_at`` says
    when the service tries again. ``refusal`` is raised after the facts are stored.
    """

    facts: tuple[Fact, ...] = ()
    close_open_as: Outcome | None = None
    resume_at: datetime | None = None
    refusal: IllegalOperation | None = None


def operate(
    batch: Batch, command: Command, now: datetime, *, obstacle: str = ""
) -> Change:
    """
    Decide an operator's pause, resume, abort or retry.

    ``obstacle``: why it is refused although it fits the status.
    """
    state = batch.state
    asked = _asked(command)
    if command.phase and command.phase != state.phase:
        return _refused(batch, command, asked, now, f"the batch is in {state.phase}")
    # The service's own pause ends by itself; whoever pauses then makes it his.
    takes_over = command.operation is Operation.PAUSE and batch.resume_at is not None
    if state.status in HOLDS[command.operation] and not takes_over:
        repeat = {**asked, "effect": "none"}
        return Change(facts=(Fact(type=EventType.OPERATION, data=repeat),))
    trigger = _trigger(batch, command.operation, now)
    to = state.status if takes_over else target(state.status, trigger)
    if to is None:
        return _refused(batch, command, asked, now, f"the status is {state.status}")
    if command.operation is Operation.RETRY and _is_late(batch, now):
        obstacle = "not_after has passed"
    if command.operation is Operation.RETRY and state.is_purged:
        obstacle = f"its recipients were purged at {state.purged_at:%Y-%m-%d %H:%M:%SZ}"
    if obstacle:
        return _refused(batch, command, asked, now, obstacle)
    close = Outcome.ABORTED if command.operation is Operation.ABORT else None
    moved = move(batch, to, now, reason=command.reason, by=command.operator_id)
    operated = Fact(type=EventType.OPERATION, data=asked)
    return Change(facts=(operated, moved), close_open_as=close)


def fits(batch: Batch, now: datetime) -> tuple[Operation, ...]:
    """Which operations change this batch now, in the order of the enum."""
    state = batch.state
    has_nobody = state.is_sealed and not any(batch.counts[one] for one in RETRYABLE)
    is_vain = state.is_purged or has_nobody or _is_late(batch, now)
    none = {Operation.RETRY} if is_vain else set()
    return tuple(one for one in fitting(state.status) if one not in none)


def purge(batch: Batch, before: datetime, now: datetime, *, by: str) -> Change:
    """Decide that the recipients of what ended before then are forgotten; once."""
    ended_at = batch.state.ended_at
    if batch.state.is_purged or ended_at is None or ended_at >= before:
        return Change()
    data = {"note": "purged", "by": by, "ended_before": before}
    fact = Fact(type=EventType.NOTE, data=data, delta={"purged_at": now})
    return Change(facts=(fact,))


def enter(
    batch: Batch,
    trigger: Trigger,
    now: datetime,
    *,
    reason: str = "",
    resume_at: datetime | None = None,
    payloads_hash: str = "",
) -> Change:
    """
    Decide what a fact found by the engine does; nothing where it does not fit.

    ``payloads_hash`` comes with the seal: SHA-256 over all payloads, hexadecimal.
    """
    to = target(batch.state.status, trigger)
    if to is None:
        return Change()
    if trigger is Trigger.PROVIDER_BACK and batch.resume_at is None:
        return Change()  # somebody has paused it himself since
    if trigger is Trigger.EXPIRED and not may_expire(batch):
        return Change()
    close = Outcome.EXPIRED if to is Status.EXPIRED else None
    fact = move(batch, to, now, reason=reason, by=SERVICE)
    if payloads_hash:
        fact.data[PAYLOADS_HASH] = payloads_hash
    return Change(facts=(fact,), close_open_as=close, resume_at=resume_at)


def may_expire(batch: Batch) -> bool:
    """Whether anybody is left for whom it may be too late."""
    return not batch.state.is_sealed or batch.open_recipients > 0


def end(batch: Batch, now: datetime) -> Change:
    """Decide the end of a delivery from recorded outcomes; nothing while some is open."""
    if batch.open_recipients:
        return Change()
    reached = numbers.success(batch.counts) + batch.counts[Outcome.UNCERTAIN]
    refused = batch.counts[Outcome.FAILED]
    all_failed = refused > 0 and reached == 0
    trigger = Trigger.ALL_FAILED if all_failed else Trigger.OUTCOMES_COMPLETE
    return enter(batch, trigger, now)


def move(batch: Batch, to: Status, now: datetime, *, reason: str, by: str) -> Fact:
    """Make the fact of entering a status."""
    phase = to.phase or batch.state.phase
    delta: dict[str, Any] = {"status": to, "phase": phase, "reason": reason}
    delta["paused_by"] = by if to in HOLDS[Operation.PAUSE] else ""
    delta["ended_at"] = now if to.has_ended else None
    if to is Status.PREPARATION_FAILED:
        delta["error_message"] = reason
    if to is Status.DELIVERY_READY:
        delta["is_sealed"] = True
    if batch.state.status in _GOES_ON and to in STOPPED:
        delta["escaped"] = 0  # each worker adds its own
    if to is Status.DELIVERY_RUNNING and batch.state.started_at is None:
        delta["started_at"] = now
    data = {"from": batch.state.status, "status": to, "reason": reason, "by": by}
    return Fact(type=EventType.STATUS, data=data, delta=delta)


def created(status: Status, spec: BatchSpec, *, via: str = "") -> Fact:
    """Make the first fact of a batch; ``via`` as in ``Command``."""
    return Fact(
        type=EventType.REQUEST,
        data={
            "request_id": spec.request_id,
            "user_id": spec.user_id,
            SPEC_HASH: hashlib.sha256(spec.encode()).hexdigest(),
            **_via(via),
        },
        delta={"status": status, "phase": status.phase or Phase.PREPARATION},
    )


def settle(batch: Batch, escaped: int) -> Change:
    """
    Tell that a stop has settled with one worker: what was in flight has its answer.

    The workers of a batch add up. Whoever heard of the stop hears the counts again.
    """
    note = Fact(
        type=EventType.NOTE,
        data={"note": "pause_settled", "escaped": escaped},
        delta={"escaped": batch.state.escaped + escaped},
    )
    return Change(facts=(note, progress()) if escaped else (note,))


def progress() -> Fact:
    """Make the fact of progress; the store fills in the live counts."""
    return Fact(type=EventType.STATUS, data={"progress": True})


def note(text: str, **details: object) -> Fact:
    """Make a fact that changes nothing but is kept."""
    return Fact(type=EventType.NOTE, data={"note": text, **details})


def fraction(state: State) -> float:
    """Progress of the current phase, 0 … 1, as of the last event."""
    total = sum(state.counts)
    if state.phase is Phase.PREPARATION:
        return 1.0 if state.is_sealed else 0.0
    return numbers.processed(state.counts) / total if total else 1.0


def _trigger(batch: Batch, operation: Operation, now: datetime) -> Trigger:
    if operation is Operation.RETRY and not batch.state.is_sealed:
        return Trigger.RETRY_PREPARATION
    schedule = batch.spec.schedule_time
    if operation is Operation.RESUME and schedule and schedule > now:
        early = batch.state.status is Status.PREPARATION_PAUSED
        return Trigger.RESUME_EARLY if early else Trigger.RESUME
    return Trigger(operation.value)


def _is_late(batch: Batch, now: datetime) -> bool:
    return batch.spec.not_after is not None and batch.spec.not_after <= now


def _asked(command: Command) -> dict[str, Any]:
    return {
        "operation": command.operation,
        "request_id": command.request_id,
        "operator_id": command.operator_id,
        "reason": command.reason,
        "phase": command.phase,
        **({"selection": command.selection} if command.selection else {}),
        **_via(command.via),
    }


def _via(via: str) -> dict[str, str]:
    return {"via": via} if via else {}


def _refused(
    batch: Batch,
    command: Command,
    asked: dict[str, Any],
    now: datetime,
    because: str,
) -> Change:
    status = batch.state.status
    refusal = IllegalOperation(
        batch.spec.batch_id, command.operation, because, fits(batch, now)
    )
    data = {**asked, "because": because, "status": status}
    return Change(
        facts=(Fact(type=EventType.REFUSAL, data=data),),
        refusal=refusal,
    )
