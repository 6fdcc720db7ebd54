"""What is decided: moves, refusals that say what fits, ends."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from batchwire.domain import operations
from batchwire.domain.batch import Batch
from batchwire.domain.counts import ZERO, Counts, count
from batchwire.domain.events import EventType, State
from batchwire.domain.lifecycle import (
    HOLDS,
    Operation,
    Phase,
    Status,
    Trigger,
    fitting,
)
from batchwire.domain.operations import Change, Command
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import NOON, spec

ONE_FAILED = count(bytes([Outcome.FAILED]))


def batch(
    status: Status,
    counts: Counts = ZERO,
    *,
    is_sealed: bool = True,
    **fields: Any,  # noqa: ANN401 - as BatchSpec
) -> Batch:
    state = State(status=status, phase=status.phase, is_sealed=is_sealed)
    return Batch(spec=spec(**fields), state=state, counts=counts, parts=0)


def test_no_retry_fits_where_nobody_could_be_sent_again() -> None:
    assert operations.fits(batch(Status.COMPLETED, ONE_FAILED), NOON) == (
        Operation.RETRY,
    )
    assert operations.fits(batch(Status.COMPLETED), NOON) == ()
    late = batch(Status.COMPLETED, ONE_FAILED, not_after=NOON)
    assert operations.fits(late, NOON) == ()
    unsealed = batch(Status.PREPARATION_FAILED, is_sealed=False)
    assert Operation.RETRY in operations.fits(unsealed, NOON)


def command(operation: Operation, phase: Phase = Phase.NONE) -> Command:
    return Command(
        batch_id="b1",
        operation=operation,
        request_id="r",
        operator_id="ann",
        reason="why",
        phase=phase,
    )


def ask(on: Batch, operation: Operation, phase: Phase = Phase.NONE) -> Change:
    return operations.operate(on, command(operation, phase), NOON)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("operation", Operation)
def test_an_operation_moves_holds_or_is_refused(
    status: Status, operation: Operation
) -> None:
    change = ask(batch(status, ONE_FAILED), operation)
    if status in HOLDS[operation]:
        (kept,) = change.facts
        assert kept.type is EventType.OPERATION
        assert kept.data["effect"] == "none"
        assert change.refusal is None
    elif change.refusal is None:
        asked, moved = change.facts
        assert operation in fitting(status)
        assert asked.data["operator_id"] == "ann"
        assert moved.data["from"] == status
        assert moved.delta["status"] != status
    else:
        (kept,) = change.facts
        assert kept.type is EventType.REFUSAL
        assert kept.delta == {}
        assert change.refusal.allowed == fitting(status)
        told = ", ".join(fitting(status)) or "nothing: it has ended for good"
        fits = "" if operation in fitting(status) else f"; what fits now: {told}"
        assert str(change.refusal) == (
            f"batch b1: {operation} does not fit: the status is {status}{fits}"
        )


@pytest.mark.parametrize(
    "status",
    [
        Status.SCHEDULED,
        Status.PREPARATION_READY,
        Status.PREPARATION_RUNNING,
        Status.DELIVERY_READY,
        Status.DELIVERY_RUNNING,
    ],
)
def test_to_resume_what_goes_on_succeeds_without_effect(status: Status) -> None:
    change = ask(batch(status), Operation.RESUME)
    assert change.refusal is None
    assert [fact.data.get("effect") for fact in change.facts] == ["none"]


def test_an_operation_for_the_other_phase_is_refused() -> None:
    change = ask(batch(Status.DELIVERY_RUNNING), Operation.PAUSE, Phase.PREPARATION)
    assert change.refusal is not None
    assert change.refusal.because == "the batch is in delivery"


def test_an_obstacle_is_told_alone_where_the_status_is_not_what_is_wrong() -> None:
    change = operations.operate(
        batch(Status.COMPLETED, ONE_FAILED),
        command(Operation.RETRY),
        NOON,
        obstacle="nobody failed",
    )
    assert str(change.refusal) == "batch b1: retry does not fit: nobody failed"


def test_an_operation_for_the_own_phase_fits() -> None:
    change = ask(batch(Status.DELIVERY_RUNNING), Operation.PAUSE, Phase.DELIVERY)
    assert change.refusal is None


def test_an_abort_ends_what_is_open() -> None:
    change = ask(batch(Status.DELIVERY_RUNNING), Operation.ABORT)
    assert change.close_open_as is Outcome.ABORTED
    assert change.facts[1].delta["ended_at"] == NOON


@pytest.mark.parametrize("status", [Status.DELIVERY_READY, Status.DELIVERY_RUNNING])
def test_what_escaped_an_earlier_pause_is_none_of_this_one(status: Status) -> None:
    paused = operations.operate(batch(status), command(Operation.PAUSE), NOON)
    assert paused.facts[-1].delta["escaped"] == 0


def test_what_escaped_a_pause_is_known_after_an_abort() -> None:
    aborted = ask(batch(Status.DELIVERY_PAUSED), Operation.ABORT)
    assert "escaped" not in aborted.facts[-1].delta


def test_a_pause_tells_by_whom_and_a_resume_forgets_it() -> None:
    paused = ask(batch(Status.DELIVERY_RUNNING), Operation.PAUSE)
    resumed = ask(batch(Status.DELIVERY_PAUSED), Operation.RESUME)
    assert paused.facts[1].delta["paused_by"] == "ann"
    assert paused.facts[1].delta["reason"] == "why"
    assert resumed.facts[1].delta["paused_by"] == ""


@pytest.mark.parametrize(
    ("wait_s", "status"), [(60, Status.SCHEDULED), (-60, Status.PREPARATION_READY)]
)
def test_a_resume_before_the_schedule_waits_for_it(wait_s: int, status: Status) -> None:
    schedule = NOON + timedelta(seconds=wait_s)
    paused = batch(Status.PREPARATION_PAUSED, schedule_time=schedule)
    change = ask(paused, Operation.RESUME)
    assert change.facts[1].delta["status"] is status


def test_a_retry_of_an_unsealed_batch_prepares_again() -> None:
    failed = batch(Status.PREPARATION_FAILED, is_sealed=False)
    change = ask(failed, Operation.RETRY)
    assert change.facts[1].delta["status"] is Status.PREPARATION_READY


def test_a_retry_after_not_after_is_refused() -> None:
    change = ask(batch(Status.EXPIRED, not_after=NOON), Operation.RETRY)
    assert change.refusal is not None
    assert change.refusal.because == "not_after has passed"


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("trigger", Trigger)
def test_a_fact_that_does_not_fit_changes_nothing(
    status: Status, trigger: Trigger
) -> None:
    change = operations.enter(batch(status), trigger, NOON)
    assert change == Change() or change.facts[0].data["by"] == operations.SERVICE


def test_the_service_resumes_nothing_that_somebody_paused_since() -> None:
    paused = batch(Status.DELIVERY_PAUSED)
    assert operations.enter(paused, Trigger.PROVIDER_BACK, NOON) == Change()
    its_own = msgspec.structs.replace(paused, resume_at=NOON)
    (told,) = operations.enter(its_own, Trigger.PROVIDER_BACK, NOON).facts
    assert told.delta["status"] is Status.DELIVERY_READY


def test_a_delivery_has_started_when_it_first_did() -> None:
    ready = batch(Status.DELIVERY_READY)
    (first,) = operations.enter(ready, Trigger.DELIVERY_STARTED, NOON).facts
    assert first.delta["started_at"] == NOON
    state = msgspec.structs.replace(ready.state, started_at=NOON)
    again = msgspec.structs.replace(ready, state=state)
    later = NOON + timedelta(hours=1)
    (second,) = operations.enter(again, Trigger.DELIVERY_STARTED, later).facts
    assert "started_at" not in second.delta


def test_expiry_ends_what_is_open() -> None:
    some = batch(
        Status.DELIVERY_RUNNING, count(bytes([Outcome.OPEN, Outcome.ACCEPTED]))
    )
    change = operations.enter(some, Trigger.EXPIRED, NOON)
    assert change.close_open_as is Outcome.EXPIRED


def test_where_nobody_is_open_nothing_expires() -> None:
    done = batch(Status.DELIVERY_PAUSED, count(bytes([Outcome.ACCEPTED])))
    assert operations.enter(done, Trigger.EXPIRED, NOON) == Change()
    early = batch(Status.PREPARATION_READY, is_sealed=False)
    assert operations.enter(early, Trigger.EXPIRED, NOON).facts


ACC, BAD, INV, UNC, OPEN = (
    Outcome.ACCEPTED,
    Outcome.FAILED,
    Outcome.INVALID,
    Outcome.UNCERTAIN,
    Outcome.OPEN,
)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([ACC, ACC], Status.COMPLETED),
        ([ACC, BAD], Status.COMPLETED),
        ([UNC, BAD], Status.COMPLETED),
        ([INV, INV], Status.COMPLETED),
        ([], Status.COMPLETED),
        ([BAD, BAD], Status.DELIVERY_FAILED),
        ([BAD, INV], Status.DELIVERY_FAILED),
        ([ACC, OPEN], None),
    ],
)
def test_the_end_is_computed_from_outcomes(
    outcomes: list[Outcome], status: Status | None
) -> None:
    change = operations.end(
        batch(Status.DELIVERY_RUNNING, count(bytes(outcomes))), NOON
    )
    ended = [fact.delta["status"] for fact in change.facts]
    assert ended == ([] if status is None else [status])
