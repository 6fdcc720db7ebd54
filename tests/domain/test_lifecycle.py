"""Every status under every trigger, against the table of DESIGN.md in short."""

import pytest

from batchwire.domain.lifecycle import (
    HOLDS,
    Operation,
    Phase,
    Status,
    Trigger,
    fitting,
    target,
)

# Written by hand, a second time: status, then trigger>status for all that fits.
TABLE = """
scheduled            schedule_due>preparation_ready pause>preparation_paused abort>aborted expired>expired
preparation_ready    preparation_started>preparation_running pause>preparation_paused abort>aborted expired>expired
preparation_running  sealed>delivery_ready preparation_failed>preparation_failed pause>preparation_paused abort>aborted expired>expired
preparation_paused   resume>preparation_ready resume_early>scheduled abort>aborted expired>expired
preparation_failed   retry_preparation>preparation_ready abort>aborted
delivery_ready       delivery_started>delivery_running pause>delivery_paused abort>aborted expired>expired
delivery_running     outcomes_complete>completed all_failed>delivery_failed provider_stopped>delivery_paused pause>delivery_paused abort>aborted expired>expired
delivery_paused      resume>delivery_ready provider_back>delivery_ready abort>aborted expired>expired
delivery_failed      retry>delivery_ready abort>aborted
completed            retry>delivery_ready
aborted
expired              retry>delivery_ready retry_preparation>preparation_ready
"""
EXPECTED = {
    status: dict(pair.split(">") for pair in pairs)
    for status, *pairs in (line.split() for line in TABLE.strip().splitlines())
}
TERMINAL = {Status.COMPLETED, Status.ABORTED, Status.EXPIRED}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("trigger", Trigger)
def test_a_trigger_leads_where_the_table_says(status: Status, trigger: Trigger) -> None:
    assert target(status, trigger) == EXPECTED[status].get(trigger)


def test_asking_for_what_holds_never_also_moves() -> None:
    for operation, statuses in HOLDS.items():
        for status in statuses:
            assert target(status, Trigger(operation.value)) is None


def test_abort_fits_every_status_that_is_not_terminal() -> None:
    for status in Status:
        assert (Operation.ABORT in fitting(status)) is (status not in TERMINAL)


def test_pause_fits_every_status_that_moves_by_itself() -> None:
    resting = HOLDS[Operation.PAUSE]
    for status in Status:
        moves = not status.has_ended and status not in resting
        assert (Operation.PAUSE in fitting(status)) is moves


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        (Status.SCHEDULED, Phase.NONE),
        (Status.PREPARATION_FAILED, Phase.PREPARATION),
        (Status.DELIVERY_READY, Phase.DELIVERY),
        (Status.COMPLETED, Phase.NONE),
    ],
)
def test_the_phase_is_in_the_name(status: Status, phase: Phase) -> None:
    assert status.phase is phase


def test_ended_is_terminal_or_failed() -> None:
    failed = {Status.PREPARATION_FAILED, Status.DELIVERY_FAILED}
    assert {s for s in Status if s.has_ended} == failed | TERMINAL
