"""How a batch that is waited for is shown: in a pipe, and how fast it goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from batchwire.cli import progress
from batchwire.domain.batch import Batch, ListFormat, ListSpec
from batchwire.domain.counts import ZERO
from batchwire.domain.events import State
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import spec


@dataclass
class Now:
    """The time that the module sees, in seconds."""

    at: float = 1000.0

    def monotonic(self) -> float:
        """Read it."""
        return self.at


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    one = Now()
    monkeypatch.setattr(progress, "time", one)
    return one


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


@pytest.fixture
def lines(now: Now, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Give what shows batches a second apart in a pipe, and reads what was printed."""
    shown = progress.Lines()

    def told(*batches: Batch) -> list[str]:
        for one in batches:
            shown.update(one)
            now.at += 1
        return capsys.readouterr().err.splitlines()

    return told


def test_in_a_pipe_what_stands_still_is_told_once(
    lines: Callable[..., list[str]],
) -> None:
    paused = batch(Status.DELIVERY_PAUSED, 87, reason="lunch")
    assert lines(*[paused] * 20) == ["b1 delivery_paused: 87 of 3,000, lunch"]


def test_in_a_pipe_each_status_is_told_at_once_and_counts_every_two_seconds(
    lines: Callable[..., list[str]],
) -> None:
    counts = [batch(Status.DELIVERY_PAUSED, n) for n in (1, 2, 3, 4)]
    assert lines(*counts, batch(Status.ABORTED, 4)) == [
        "b1 delivery_paused: 1 of 3,000",
        "b1 delivery_paused: 3 of 3,000",
        "b1 aborted: 4 of 3,000",
    ]
