"""
The lifecycle of a batch: who may move it from which status to which.

Rules on top, one literal table, one function that applies it (h11's ``_state.py`` is
the model). Values are wire values: the specification, "消息类型 2", and CONTRACT.md.
"""

from enum import StrEnum


class Phase(StrEnum):
    """The two phases of a batch; empty where it is in neither."""

    NONE = ""
    PREPARATION = "preparation"
    DELIVERY = "delivery"


class Status(StrEnum):
    """Where a batch is. A status is entered after its work is durable."""

    SCHEDULED = "scheduled"  # waits for schedule_time: moved on by the scheduler
    PREPARATION_READY = "preparation_ready"  # waits for a worker: scheduler
    PREPARATION_RUNNING = "preparation_running"  # being prepared: preparation
    PREPARATION_PAUSED = "preparation_paused"  # by an operator: resume, abort
    PREPARATION_FAILED = "preparation_failed"  # nothing can be sent: retry, abort
    DELIVERY_READY = "delivery_ready"  # sealed, waits for its turn: scheduler
    DELIVERY_RUNNING = "delivery_running"  # being submitted: delivery
    DELIVERY_PAUSED = "delivery_paused"  # operator or service: resume, abort
    DELIVERY_FAILED = "delivery_failed"  # every recipient failed: retry, abort
    COMPLETED = "completed"  # ended, the counts say how well: retry
    ABORTED = "aborted"  # ended by an operator: nobody
    EXPIRED = "expired"  # not_after passed, or stalled: retry

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens unless somebody retries."""
        return self in _ENDED

    @property
    def is_paused(self) -> bool:
        """Whether it rests until somebody resumes it, or the time to try again comes."""
        return self in {Status.PREPARATION_PAUSED, Status.DELIVERY_PAUSED}

    @property
    def phase(self) -> Phase:
        """The phase the name tells; the terminal statuses keep their batch's last."""
        if self.startswith("preparation"):
            return Phase.PREPARATION
        return Phase.DELIVERY if self.startswith("delivery") else Phase.NONE


class Operation(StrEnum):
    """What an operator can ask of a batch."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    RETRY = "retry"


class Trigger(StrEnum):
    """What moves a batch: the operations, and the facts that the engine finds."""

    PAUSE = "pause"
    RESUME = "resume"
    RESUME_EARLY = "resume_early"  # resume, and schedule_time is still to come
    ABORT = "abort"
    RETRY = "retry"
    RETRY_PREPARATION = "retry_preparation"  # retry, and the batch was never sealed
    SCHEDULE_DUE = "schedule_due"
    PREPARATION_STARTED = "preparation_started"
    PREPARATION_FAILED = "preparation_failed"
    SEALED = "sealed"
    DELIVERY_STARTED = "delivery_started"
    PROVIDER_STOPPED = "provider_stopped"  # credentials refused, or provider down
    PROVIDER_BACK = "provider_back"
    OUTCOMES_COMPLETE = "outcomes_complete"
    ALL_FAILED = "all_failed"
    EXPIRED = "expired"


S, T = Status, Trigger

_ENDED = frozenset(
    {S.PREPARATION_FAILED, S.DELIVERY_FAILED, S.COMPLETED, S.ABORTED, S.EXPIRED}
)

_ABORT = {T.ABORT: S.ABORTED}
_END = _ABORT | {T.EXPIRED: S.EXPIRED}

TRANSITIONS: dict[Status, dict[Trigger, Status]] = {
    S.SCHEDULED: {
        T.SCHEDULE_DUE: S.PREPARATION_READY,
        T.PAUSE: S.PREPARATION_PAUSED,
        **_END,
    },
    S.PREPARATION_READY: {
        T.PREPARATION_STARTED: S.PREPARATION_RUNNING,
        T.PAUSE: S.PREPARATION_PAUSED,
        **_END,
    },
    S.PREPARATION_RUNNING: {
        T.SEALED: S.DELIVERY_READY,
        T.PREPARATION_FAILED: S.PREPARATION_FAILED,
        T.PAUSE: S.PREPARATION_PAUSED,
        **_END,
    },
    S.PREPARATION_PAUSED: {
        T.RESUME: S.PREPARATION_READY,
        T.RESUME_EARLY: S.SCHEDULED,
        **_END,
    },
    S.PREPARATION_FAILED: {
        T.RETRY_PREPARATION: S.PREPARATION_READY,
        **_ABORT,
    },
    S.DELIVERY_READY: {
        T.DELIVERY_STARTED: S.DELIVERY_RUNNING,
        T.PAUSE: S.DELIVERY_PAUSED,
        **_END,
    },
    S.DELIVERY_RUNNING: {
        T.OUTCOMES_COMPLETE: S.COMPLETED,
        T.ALL_FAILED: S.DELIVERY_FAILED,
        T.PROVIDER_STOPPED: S.DELIVERY_PAUSED,
        T.PAUSE: S.DELIVERY_PAUSED,
        **_END,
    },
    S.DELIVERY_PAUSED: {
        T.RESUME: S.DELIVERY_READY,
        T.PROVIDER_BACK: S.DELIVERY_READY,
        **_END,
    },
    S.DELIVERY_FAILED: {
        T.RETRY: S.DELIVERY_READY,
        **_ABORT,
    },
    S.COMPLETED: {T.RETRY: S.DELIVERY_READY},
    S.ABORTED: {},
    S.EXPIRED: {
        T.RETRY: S.DELIVERY_READY,
        T.RETRY_PREPARATION: S.PREPARATION_READY,
    },
}

# Asking for what already holds succeeds without effect.
HOLDS: dict[Operation, frozenset[Status]] = {
    Operation.PAUSE: frozenset({S.PREPARATION_PAUSED, S.DELIVERY_PAUSED}),
    Operation.RESUME: frozenset(
        {
            S.SCHEDULED,
            S.PREPARATION_READY,
            S.PREPARATION_RUNNING,
            S.DELIVERY_READY,
            S.DELIVERY_RUNNING,
        }
    ),
    Operation.ABORT: frozenset({S.ABORTED}),
    Operation.RETRY: frozenset(),
}


def target(status: Status, trigger: Trigger) -> Status | None:
    """Where the trigger leads from this status; None where it does not fit."""
    return TRANSITIONS[status].get(trigger)


def fitting(status: Status) -> tuple[Operation, ...]:
    """Which operations change a batch in this status, in the order of the enum."""
    names = {trigger.split("_")[0] for trigger in TRANSITIONS[status]}
    return tuple(operation for operation in Operation if operation in names)
