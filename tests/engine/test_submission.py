"""What a line lets go first, by itself."""

import asyncio
from collections.abc import Sequence
from math import inf
from typing import cast

from batchwire.adapters.system.clock import SystemClock
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.domain.rationing import Rate
from batchwire.domain.shared_pace import SharedPace
from batchwire.engine.heart import Heart
from batchwire.engine.settings import EngineSettings
from batchwire.engine.submission import Line, Slice
from batchwire.testing.builders import ScriptedProvider, until

PAST = 0


class OneMessage:
    """A load of one message; remembers whether it was taken back."""

    run = None
    is_stopping = False
    in_flight = 0
    was_tried = False

    def __init__(self, batch_id: str, late_at: int | None = None) -> None:
        self.message = Message(batch_id, 0, 1, "+4917100000001", "Hi", 1)
        self.late_at = late_at
        self.is_back = False
        self.leaving: set[str] = set()

    def messages(self, *_: int) -> list[Message]:
        """Give the one."""
        return [self.message]

    def back(self, messages: Sequence[Message]) -> Slice:
        """Make a slice of it again."""
        return Slice(self, 0, 1, messages)

    def take_back(self, _: Slice) -> None:
        """Remember it."""
        self.is_back = True

    def staying(self, messages: list[Message]) -> list[Message]:
        """Nobody opts out."""
        return messages

    def accepted(self, *_: object) -> None:
        """Nothing is recorded."""

    def note(self, *_: object) -> None:
        """Nothing is recorded."""

    def is_news(self, _: str) -> bool:
        """Nothing is logged."""
        return False


class Trusted:
    """A heart that beats, until it is told not to."""

    is_trusted = True


def line_to(provider: ScriptedProvider, trusted: Trusted | None = None) -> Line:
    """Make the line to a provider; nothing holds it."""
    pace = SharedPace("acme", Rate(parts_per_s=0.0, burst=0.0), lambda: None)
    pace.set(None, is_shared=False)
    heart = cast("Heart", trusted or Trusted())
    settings, hunger = EngineSettings(), asyncio.Event()
    line = Line(provider, pace, SystemClock(), settings, hunger, heart)
    line.heard_until = inf
    return line


async def test_a_trial_submits_nobody_who_is_late_behind_whom_it_passes_over() -> None:
    provider = ScriptedProvider(concurrency=1)
    line = line_to(provider)
    failing, late = OneMessage("b1"), OneMessage("b2", late_at=PAST)
    line.circuit.failed(SystemClock().monotonic(), {("b1", 0): 1})
    line.doubt()
    line.offer([Slice(load, 0, 1) for load in (failing, late)])
    await line.open()
    await until(lambda: provider.submitted and not line.waiting)
    await line.close()
    assert [message.batch_id for message in provider.submitted] == ["b1"]
    assert late.is_back


async def test_an_acceptance_behind_a_refusal_for_good_takes_a_failure_back() -> None:
    verdicts = {"again": Verdict.TRANSIENT, "never": Verdict.PERMANENT}
    provider = ScriptedProvider(
        lambda message: Answer(verdicts.get(message.batch_id, Verdict.ACCEPTED)),
        concurrency=1,
    )
    line = line_to(provider)
    await line.open()
    for count, batch_id in enumerate(("again", "never", "well", "again"), 1):
        line.offer([Slice(OneMessage(batch_id), 0, 1)])
        await until(lambda: len(provider.submitted) == count and not line.in_flight)  # noqa: B023 - used at once
    await line.close()
    assert not line.circuit.is_open


async def test_whoever_may_have_been_declared_dead_submits_nothing() -> None:
    provider, heart = ScriptedProvider(concurrency=1), Trusted()
    line = line_to(provider, heart)
    heart.is_trusted = False
    await line.open()
    load = OneMessage("b1")
    line.offer([Slice(load, 0, 1)])
    await asyncio.sleep(0.1)
    assert line.is_held
    assert not provider.submitted
    heart.is_trusted = True
    await until(lambda: provider.submitted)
    await line.close()


async def test_what_goes_without_a_rate_is_counted_for_when_it_is_throttled() -> None:
    provider = ScriptedProvider(concurrency=1)
    line = line_to(provider)
    await line.open()
    loads = [OneMessage(f"b{n}") for n in range(3)]
    line.offer([Slice(load, 0, 1) for load in loads])
    await until(lambda: len(provider.submitted) == 3)
    await line.close()
    assert line.pace.uncounted == 3


async def test_who_is_throttled_goes_behind_the_others() -> None:
    provider = ScriptedProvider(
        lambda m: Answer(Verdict.THROTTLED if m.batch_id == "b0" else Verdict.ACCEPTED),
        concurrency=1,
    )
    line = line_to(provider)
    loads = [OneMessage(f"b{n}") for n in range(3)]
    line.offer([Slice(load, 0, 1) for load in loads])
    await line.open()
    await until(lambda: len(provider.submitted) >= 3)
    await line.close()
    assert [one.batch_id for one in provider.submitted][:3] == ["b0", "b1", "b2"]
