"""How a batch that is waited for is shown."""

from typing import Any

import pytest

from batchwire.cli import progress
from batchwire.domain.batch import Batch, ListFormat, ListSpec
from batchwire.domain.counts import ZERO
from batchwire.domain.events import State
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import spec


def batch(status: Status, accepted: int, **known: Any) -> Batch:  # noqa: ANN401 - as State
    counts = list(ZERO)
    counts[Outcome.OPEN], counts[Outcome.ACCEPTED] = 3000 - accepted, accepted
    return Batch(
        spec=spec(list=ListSpec(list_id="l", format=ListFormat.PLAIN, records=3000)),
        state=State(status=status, phase=status.phase, is_sealed=True, **known),
        counts=tuple(counts),
        parts=3000,
    )


def test_a_rate_and_what_is_left_are_told_while_it_runs() -> None:
    speed = progress.Speed()
    speed.text(batch(Status.DELIVERY_RUNNING, 0), 0.0)
    told = speed.text(batch(Status.DELIVERY_RUNNING, 20), 2.0)
    assert told == "20 of 3,000, 10/s, 4 min 58 s left"


@pytest.mark.parametrize("status", [Status.DELIVERY_PAUSED, Status.DELIVERY_READY])
def test_what_does_not_run_has_no_rate_though_answers_come(status: Status) -> None:
    speed = progress.Speed()
    speed.text(batch(status, 0), 0.0)
    assert speed.text(batch(status, 87), 2.0) == "87 of 3,000"


def test_what_would_read_as_no_rate_is_none() -> None:
    speed = progress.Speed()
    speed.text(batch(Status.DELIVERY_RUNNING, 86), 0.0)
    told = speed.text(batch(Status.DELIVERY_RUNNING, 87), 4.0)
    assert told == "87 of 3,000"
