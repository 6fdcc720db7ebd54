"""
Submission: a provider's line, where intended messages wait and senders take them.

What stands in the line is durable as intended. The line decides only when: rate,
flow control, circuit. What a provider answered for good goes to the chunk it belongs to;
what surely was not taken goes back to the front of the line, or behind the others where
it would hold them up.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate, takewhile
from operator import attrgetter
from typing import Any, Protocol

import structlog

from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.domain.shared_pace import SharedPace
from batchwire.engine.heart import Heart
from batchwire.engine.settings import EngineSettings
from batchwire.engine.standing import Standing
from batchwire.ports.clock import Clock
from batchwire.ports.provider import Provider

_AT_ONCE_S = 0.5  # of the rate, what one call may carry
LEAST_WINDOW = 64  # messages; how long a line is to begin with

_AGAIN = frozenset({Verdict.THROTTLED, Verdict.CONNECTION, Verdict.CONFIGURATION})

log = structlog.get_logger()


class _Load(Protocol):
    """A chunk in memory, as far as a line deals with it: see ``engine.load``."""

    run: Any  # delivery's own
    late_at: int | None
    in_flight: int
    was_tried: bool
    leaving: set[str]

    @property
    def is_stopping(self) -> bool: ...
    def messages(self, first: int, stop: int) -> list[Message]: ...
    def back(self, messages: Sequence[Message]) -> "Slice": ...
    def take_back(self, one: "Slice") -> None: ...
    def staying(self, messages: list[Message]) -> list[Message]: ...
    def accepted(self, messages: list[Message], answers: Sequence[Answer]) -> None: ...
    def note(self, message: Message, answer: Answer) -> None: ...
    def is_news(self, error_code: str) -> bool: ...


class Slice:
    """
    Some messages of one chunk in the line.

    ``stop`` is where the last of them stands among the load's, and one more. Unless
    ``messages`` are given they are the load's from ``first`` on, made when asked for.
    """

    __slots__ = ("_first", "left", "load", "messages", "stop")

    def __init__(
        self, load: _Load, first: int, stop: int, messages: Sequence[Message] = ()
    ) -> None:
        self.load = load
        self.stop = stop
        self.left = len(messages) or stop - first  # how many of them wait
        self._first = first
        self.messages = list(messages)  # all of them, once they are made

    def make(self) -> list[Message]:
        """Make the messages."""
        self.messages = self.load.messages(self._first, self.stop)
        return self.messages

    def next(self, most: int) -> list[Message]:
        """Give the first of those that wait."""
        made = self.messages or self.make()
        at = len(made) - self.left
        return made[at : at + most]

    def parts(self) -> int:
        """Count the parts of those that wait."""
        return sum(message.parts for message in self.next(self.left))


class Line:
    """The way to one provider, shared by all batches that use it."""

    def __init__(
        self,
        provider: Provider,
        pace: SharedPace,
        clock: Clock,
        settings: EngineSettings,
        hunger: asyncio.Event,
        heart: Heart,
    ) -> None:
        self.provider = provider
        self.traits = provider.traits
        self._size = provider.traits.batch_size
        self.pace = pace
        self.standing = Standing(provider.traits.name, pace, clock, settings)
        self.circuit = self.standing.circuit
        self.waiting = 0  # messages in the line
        self.in_flight = 0  # messages submitted and not answered
        self.turn = 0.0  # virtual time: the turn of the batch that was served last
        self.window = LEAST_WINDOW  # messages that may wait, where their rate allows it
        self.low_mark = 0  # with fewer messages than this it runs low
        self.ran_low = False  # since messages were last offered
        self.progress_at = clock.monotonic()  # when an answer was stored last
        self.heard_until = 0.0  # of the loop's time: later a pause could be missed
        self._hunger = hunger  # of whoever offers: the next messages are wanted now
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._heart = heart
        self._line: deque[Slice] = deque()
        self._offered = asyncio.Event()
        self._turn = asyncio.Lock()
        self._senders: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Open the provider and start the senders."""
        await self.provider.open()
        self._senders = [
            asyncio.create_task(self._send()) for _ in range(self.traits.concurrency)
        ]

    async def close(self) -> None:
        """Stop the senders; what is in flight stays without an answer."""
        left = set(self._senders)
        while left:  # a client may lose a cancellation that comes with its answer
            for sender in left:
                sender.cancel()
            _, left = await asyncio.wait(left, timeout=0.1)
        await asyncio.gather(*self._senders, return_exceptions=True)
        await self.provider.close()

    def check(self) -> None:
        """Raise what ended a sender: a chunk that cannot be read, or a bug of ours."""
        for sender in self._senders:
            if sender.done():
                sender.result()

    def offer(self, slices: Sequence[Slice]) -> None:
        """Put intended messages at the end of the line."""
        self._line.extend(slices)
        self.waiting += sum(one.left for one in slices)
        self.ran_low = self.waiting < self.low_mark
        if slices:  # idle senders that wake for nothing would ask for more at once
            self._offered.set()

    def withdraw(self, is_meant: Callable[[_Load], bool]) -> None:
        """Take messages out of the line that must not be submitted any more."""
        left = [one for one in self._line if not is_meant(one.load)]
        meant = [one for one in self._line if is_meant(one.load)]
        for one in sorted(meant, key=attrgetter("stop"), reverse=True):
            one.load.take_back(one)
        self._line = deque(left)
        self.waiting = sum(one.left for one in left)

    def try_again(self) -> None:
        """Forget a refusal, and let an open circuit make a trial."""
        self.standing.refusal = ""
        self.circuit.try_again()
        self._offered.set()

    def doubt(self) -> None:
        """Go on with a trial, unless it answers just now: it may be away."""
        if not self.is_answering:
            self.circuit.trip(self._clock.monotonic())

    @property
    def is_answering(self) -> bool:
        """Whether messages go, and the last answer says that the provider is there."""
        return bool(self.in_flight and self.circuit.is_proven)

    @property
    def capacity(self) -> int:
        """How many messages the provider takes at once."""
        return self.traits.concurrency * self.traits.batch_size

    @property
    def is_blocked(self) -> bool:
        """Whether nothing may be submitted until somebody says ``try_again``."""
        return self.circuit.is_open or bool(self.standing.refusal)

    @property
    def is_held(self) -> bool:
        """Whether nothing goes because a pause, or our own death, could be missed."""
        return not self._heart.is_trusted or self._loop.time() >= self.heard_until

    def limited_by(self) -> str:
        """Why it is not faster, in the closed vocabulary of ``limited_by``."""
        if self.is_blocked:
            return "provider_down"
        if self.pace.is_throttled:
            return "throttled"
        return "rate" if self.pace.is_limiting(self._clock.monotonic()) else ""

    async def _send(self) -> None:
        """
        Submit, for ever; written out, since beside a busy client each call counts.

        What it runs through was used a message ago and is in no cache any more.
        """
        while True:
            load, messages = self._take() if self._is_free() else await self._next()
            if load.leaving and not (messages := load.staying(messages)):
                continue
            is_trial = self.circuit.is_tripped
            count = len(messages)
            self.in_flight += count
            load.in_flight += count
            try:
                answers = await self.provider.submit(messages)
            except Exception:  # a provider's bug: it may have submitted
                log.exception("provider_raised", provider=self.traits.name)
                answers = [_lost("provider_raised")] * count
            finally:
                self.in_flight -= count
                load.in_flight -= count
            is_plain = (
                answers[0].verdict is Verdict.ACCEPTED
                if len(answers) == count == 1
                else _are_plain(answers, count)
            )
            if is_plain:
                if not self.circuit.is_accepting:
                    self.circuit.succeeded()
                load.accepted(messages, answers)
            else:
                self._sort(load, messages, answers, is_trial=is_trial)
            if count > 1:  # the provider may have answered at once: let others go on
                await asyncio.sleep(0)

    async def _next(self) -> tuple[_Load, list[Message]]:
        """Wait for the turn, the rate and the circuit; then take the head of the line."""
        while True:
            if not self._line:
                self._offered.clear()
                self._run_low()
                await self._offered.wait()
            elif self._is_free():
                return self._take()
            else:
                async with self._turn:
                    if await self._may_go():
                        return self._counted(*self._take())

    async def _may_go(self) -> bool:
        """Wait a moment where need be; whether the head may go now."""
        is_tripped = self.circuit.is_tripped
        if self.is_held or self.is_blocked or (is_tripped and self.in_flight):
            await self._clock.sleep(0.02)
            return False
        if is_tripped:
            self._pass_over()
        if self._is_late():
            now = self._clock.unix_us()
            self.withdraw(lambda load: load.late_at is not None and load.late_at <= now)
        delay_s = self._delay_s()
        if delay_s > 0:
            await self._clock.sleep(min(delay_s, 0.05))
            return False
        return bool(self._line)

    def _pass_over(self) -> None:
        """Let go first who has not failed since somebody was accepted."""
        failing = self.circuit.failing
        for _ in range(self.waiting):
            one = self._line[0]
            (message,) = one.next(1)
            if (message.batch_id, message.position) not in failing:
                return
            one.left -= 1
            if not one.left:
                self._line.popleft()
            self._line.append(one.load.back([message]))
        failing.clear()  # nobody else is there: all over again

    def _delay_s(self) -> float:
        """How long the head of the line has to wait for the rate."""
        if not self._line:
            return 0.0
        messages = self._within_rate(self._line[0].next(self._size))
        parts = sum(message.parts for message in messages)
        return self.pace.delay_s(self._clock.monotonic(), parts, self.waiting)

    def _is_free(self) -> bool:
        """Whether the head of the line may go at once."""
        return (
            bool(self._line)
            and self.pace.is_free
            and not (self.circuit.is_tripped or self.standing.refusal)
            and self._loop.time() < self.heard_until
            and self._heart.is_trusted
            and (self._line[0].load.late_at is None or not self._is_late())
        )

    def _is_late(self) -> bool:
        """Whether ``not_after`` of the head of the line has passed."""
        if not self._line:
            return False
        late_at = self._line[0].load.late_at
        return late_at is not None and self._clock.unix_us() >= late_at

    def _take(self) -> tuple[_Load, list[Message]]:
        """Take what one call may carry from the head of the line."""
        one = self._line[0]
        made = one.messages or one.make()
        at = len(made) - one.left
        messages = made[at : at + self._size]
        if len(messages) > 1 and not self.pace.is_free:
            messages = self._within_rate(messages)
        one.left -= len(messages)
        if not one.left:
            self._line.popleft()
        self.waiting -= len(messages)
        if self.pace.is_free:
            self.pace.uncounted += len(messages)
        if self.waiting < self.low_mark and not self.ran_low:
            self._run_low()
        return one.load, messages

    def _within_rate(self, messages: list[Message]) -> list[Message]:
        """
        Give as many of one call's messages as go in half a second, at least one.

        A provider that counts by the second would refuse the rest.
        """
        parts = accumulate(message.parts for message in messages)
        allowed = self.pace.allowed(_AT_ONCE_S)
        return messages[: max(1, sum(1 for _ in takewhile(allowed.__ge__, parts)))]

    def _counted(
        self, load: _Load, messages: list[Message]
    ) -> tuple[_Load, list[Message]]:
        if not self.pace.is_free:
            parts = sum(message.parts for message in messages)
            self.pace.take(parts, self._clock.monotonic())
        return load, messages

    def _run_low(self) -> None:
        self.ran_low = True
        self._hunger.set()

    def _sort(
        self,
        load: _Load,
        messages: list[Message],
        answers: Sequence[Answer],
        *,
        is_trial: bool,
    ) -> None:
        """
        Keep what is answered; put back what surely was not taken.

        Who was refused in company goes again in halves, until who is to blame is alone.

        A transient failure while the circuit is tripped is no attempt, that of a trial
        only as long as the circuit is patient: else recipients that always fail would
        keep it open for ever. After such a trial others go first.
        """
        if len(answers) != len(messages):
            log.error("provider_miscounted", provider=self.traits.name)
            answers = [_lost("answer_count")] * len(messages)
        if self.standing.hear(messages, answers, has_others=self.waiting > 0):
            self._hunger.set()
        if len(messages) > 1 and all(answer.in_company for answer in answers):
            middle = len(messages) // 2
            self._put_back(load, messages[middle:])
            self._put_back(load, messages[:middle])
            return
        again = _AGAIN
        circuit = self.circuit
        if circuit.is_tripped and not (
            is_trial and not circuit.is_patient(self._clock.monotonic())
        ):
            again |= {Verdict.TRANSIENT}
        back: list[Message] = []
        for message, answer in zip(messages, answers, strict=True):
            if answer.verdict in again:
                back.append(message)
            else:
                load.note(message, answer)
                self._tell(load, message, answer)
        is_in_vain = is_trial and circuit.is_tripped
        if is_in_vain:
            load.was_tried = True
        is_throttled = any(a.verdict is Verdict.THROTTLED for a in answers)
        self._put_back(load, back, is_last=is_in_vain or is_throttled)

    def _tell(self, load: _Load, message: Message, answer: Answer) -> None:
        """Log what the provider says with an error code, once a batch: it is not kept."""
        if answer.error_message and load.is_news(answer.error_code):
            log.warning(
                "provider_said",
                provider=self.traits.name,
                batch_id=message.batch_id,
                verdict=answer.verdict,
                error_code=answer.error_code,
                error_message=answer.error_message,
            )

    def _put_back(
        self, load: _Load, messages: list[Message], *, is_last: bool = False
    ) -> None:
        """
        Put at the front what surely was not taken: it goes next, in one call.

        ``is_last``: behind the others, whom it would hold up if it is refused for good.
        """
        if messages and not load.is_stopping:
            put = self._line.append if is_last else self._line.appendleft
            put(load.back(messages))
            self.waiting += len(messages)
            self._offered.set()


def _are_plain(answers: Sequence[Answer], count: int) -> bool:
    """Whether there are so many and all were accepted, as nearly always."""
    verdicts = [answer.verdict for answer in answers]
    return verdicts.count(Verdict.ACCEPTED) == len(verdicts) == count


def _lost(code: str) -> Answer:
    return Answer(Verdict.UNCERTAIN, error_code=code)
