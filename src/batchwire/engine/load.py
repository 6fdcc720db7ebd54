"""
What delivery holds in memory: the batches it delivers, and their leased chunks.

Nothing here waits or writes: a ``Run`` knows its turn and its limits, a ``Load`` what of
its chunk is to be intended, what was answered, and what of that is to be stored.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence, Set as AbstractSet
from datetime import datetime
from typing import TypeVar

from batchwire.domain.batch import Batch
from batchwire.domain.chunk import Recipe
from batchwire.domain.counts import Counts
from batchwire.domain.ledger import (
    MAX_ATTEMPT,
    Judge,
    Segment,
    segment,
    unpack_numbers,
    unpack_payload,
)
from batchwire.domain.outcome import Answer, Message, Outcome, Verdict
from batchwire.domain.pacing import backoff_s
from batchwire.domain.shared_pace import SharedPace
from batchwire.engine.submission import Line, Slice
from batchwire.errors import StoreDamaged
from batchwire.ports.clock import Clock
from batchwire.ports.store import ChunkUpdate, Claim

T = TypeVar("T")

_MOST_HEARD = 20  # error codes of a batch: a provider may make one for each message
_LATER_S = 2.0  # than its batch goes on: others are on trial first
_AHEAD_S = 0.5  # of its own rate, what of a batch may wait in the line


class Load:
    """
    A leased chunk in memory: what is to be intended, and what was answered.

    Its messages are made when the first of them is submitted, and what was answered is
    packed once the last of them is: so both happen while they are in the processor's
    cache, and few messages are in memory.
    """

    def __init__(self, run: "Run", claim: Claim) -> None:
        self.run = run
        self.number = claim.number
        self.fence = claim.fence
        self.late_at = run.late_at
        self.base = claim.number * run.batch.spec.chunk_size
        self.state = claim.state
        self.open = claim.state.open_positions()  # what is to be submitted, ascending
        self.payload = claim.payload
        self.intended = 0  # how many of them are intended
        self.stored = 0  # how many of them are stored as intended
        self.in_flight = 0
        self.retry_attempt = 0  # highest attempt that failed and may be repeated
        self.asked_s = 0.0  # how long the provider wants us to wait with that
        self.done: list[Message] = []  # answered, and not packed
        self.answers: list[Answer] = []  # theirs
        self.packed = 0  # how many answered ones are packed
        self.told: list[Segment] = []  # packed, and not known to be stored
        self.writing = 0  # how many of these the flush under way stores
        self.leaving: set[str] = set()  # numbers that opted out while in the line
        self.was_tried = False  # somebody of it was on trial in vain
        self._messages: list[Message] = []
        self._suppress(claim.suppressed)

    def numbers(self) -> list[str]:
        """
        Give the numbers of all that are open, while some of them may be submitted.

        Raises:
            StoreDamaged: what is stored of them cannot be read.

        """
        if not (self.unintended or self.under_way):
            return []
        own = self._read(unpack_numbers)
        return [own[place] for place in self.open]

    def opt_out(self, numbers: AbstractSet[str]) -> None:
        """End who has one of these numbers, at once or when their turn comes."""
        who = self.numbers()
        self.leaving.update(numbers & set(who[: self.intended]))
        ahead = zip(self.open[self.intended :], who[self.intended :], strict=True)
        self._suppress({place for place, number in ahead if number in numbers})

    def staying(self, messages: list[Message]) -> list[Message]:
        """End who opted out while in the line; give the others."""
        places = [m.position - self.base for m in messages if m.to in self.leaving]
        if not places:
            return messages
        self._end(places)
        self.packed += len(places)
        return [message for message in messages if message.to not in self.leaving]

    def _suppress(self, suppressed: Collection[int]) -> None:
        """End suppressed numbers that are not intended yet."""
        places = [p for p in self.open if p in suppressed] if suppressed else []
        if places:
            self.open = [place for place in self.open if place not in suppressed]
            self._messages = []
            self._end(places)

    def _end(self, places: Sequence[int]) -> None:
        """End suppressed numbers; who may have been accepted before is uncertain."""
        doubtful = set(self.state.doubtful())
        entries = [
            (
                place,
                Outcome.UNCERTAIN if place in doubtful else Outcome.SUPPRESSED,
                self.state.attempts[place] & MAX_ATTEMPT,
            )
            for place in places
        ]
        errors = {p: self.state.errors[p] for p in doubtful.intersection(places)}
        self.told.append(segment(self._now_ms(), self.fence, entries, errors))

    @property
    def is_stopping(self) -> bool:
        """Whether nothing of it may go back to the line."""
        return self.run.is_stopping

    @property
    def unintended(self) -> int:
        """Messages that may be intended next."""
        return len(self.open) - self.intended

    @property
    def under_way(self) -> int:
        """Messages that are intended and not answered: in the line, or in flight."""
        return self.intended - self.packed - len(self.done)

    @property
    def untold(self) -> int:
        """Recipients who have an outcome that is not known to be stored."""
        return len(self.done) + sum(len(one.outcomes) for one in self.told)

    def intend(self, most: int) -> Slice | None:
        """Choose up to ``most`` further messages; None where there is none."""
        first = self.intended
        self.intended = min(first + most, len(self.open))
        return Slice(self, first, self.intended) if self.intended > first else None

    def take_back(self, one: Slice) -> None:
        """Intend no more what was never submitted; the last of the chunk first."""
        if one.stop == self.intended:
            self.intended -= one.left

    def back(self, messages: Sequence[Message]) -> Slice:
        """Take what was submitted, and surely not taken, as a slice again."""
        stop = bisect_right(self.open, messages[-1].position - self.base)
        return Slice(self, stop - 1, stop, messages)

    def messages(self, first: int, stop: int) -> list[Message]:
        """
        Give some of its messages, and forget all with the last.

        Raises:
            StoreDamaged: what is stored of them cannot be read.

        """
        if not self._messages:
            stamp = (self.run.batch.spec.batch_id, self.base)
            payload = self._read(unpack_payload)
            self._messages = self.run.recipe.messages(
                stamp, payload, self.state, self.open
            )
        made = self._messages[first:stop]
        if stop == len(self.open):
            self._messages = []
        return made

    def _read(self, unpack: Callable[[bytes], T]) -> T:
        try:
            return unpack(self.payload)
        except StoreDamaged as error:
            place = f"batch {self.run.batch.spec.batch_id}, chunk {self.number}"
            raise StoreDamaged(f"{place}: {error}") from error

    def accepted(self, messages: list[Message], answers: Sequence[Answer]) -> None:
        """Take the answers to messages that were all accepted."""
        self.done += messages
        self.answers += answers
        if self.packed + len(self.done) == len(self.open):
            self._pack()

    def note(self, message: Message, answer: Answer) -> None:
        """Take any answer: who is to be tried again, and who must be suppressed."""
        self.done.append(message)
        self.answers.append(answer)
        if answer.verdict in {Verdict.TRANSIENT, Verdict.UNCERTAIN}:
            self.retry_attempt = max(self.retry_attempt, message.attempt)
            self.asked_s = max(self.asked_s, answer.retry_after_s or 0.0)
        if answer.suppress:
            self.run.opted_out.add(message.to)

    def is_news(self, error_code: str) -> bool:
        """Whether the batch hears this code for the first time; so for the first few."""
        heard = self.run.heard
        if error_code in heard or len(heard) == _MOST_HEARD:
            return False
        heard.add(error_code)
        return True

    def _pack(self) -> None:
        stamp = (self._now_ms(), self.fence, self.base)
        repeated, doubtful = self.state.repeated(), frozenset(self.state.doubtful())
        self.told.append(
            self.run.judge.segment(stamp, self.done, self.answers, repeated, doubtful)
        )
        self.packed += len(self.done)
        self.done, self.answers = [], []

    def _now_ms(self) -> int:
        return self.run.clock.unix_us() // 1000

    def due_s(self) -> float | None:
        """When it is due again that is given back now; None where it is kept."""
        if self.is_stopping:
            circuit = self.run.line.circuit
            others_first = self.was_tried and circuit.is_open
            later_s = circuit.delay_s + _LATER_S if others_first else 0.0
            return later_s if not self.in_flight else None
        if self.packed + len(self.done) < len(self.open):
            return None
        if not self.retry_attempt:
            return 0.0
        return backoff_s(self.retry_attempt, (self.number * 0.618) % 1, self.asked_s)

    def update(self) -> ChunkUpdate | None:
        """Say what is to be written; None where nothing is."""
        due_s = self.due_s()
        if self.done:
            self._pack()
        if due_s is None and not self.told and self.stored == self.intended:
            return None
        self.writing = len(self.told)
        return ChunkUpdate(
            number=self.number,
            fence=self.fence,
            segments=tuple(self.told),
            intent=self.open[self.intended - 1] + 1 if self.intended else 0,
            is_released=due_s is not None,
            due_s=due_s or 0.0,
        )

    def settle(self) -> None:
        """Forget what is stored now; further answers may have come since."""
        self.stored = self.intended
        del self.told[: self.writing]


class Run:
    """A batch in delivery."""

    def __init__(
        self, batch: Batch, line: Line, pace: SharedPace | None, clock: Clock
    ) -> None:
        spec = batch.spec
        self.batch = batch
        self.line = line
        self.clock = clock
        self.recipe = Recipe.of(spec)
        self.judge = Judge(spec.max_retries + 1, spec.on_uncertain)
        self.pace = pace  # of its own; None where it has none
        self.loads: dict[int, Load] = {}
        self.counts: Counts = batch.counts
        self.late_at = _unix_us(spec.not_after)
        self.weight = 2.0**spec.priority
        self.turn = 0.0  # virtual time: who has the least goes next
        self.wanted = 0  # chunks to claim with the next flush
        self.claim_at = 0.0
        self.look_at = 0.0  # though nothing is to be written
        self.limit_told = batch.limited_by
        self.is_stopping = False
        self.is_exhausted = False  # nothing is left to claim that nobody holds
        self.has_claimed = False
        self.is_complete = False  # by us or by another worker
        self.escaped: int | None = None  # once somebody has paused or ended it
        self.has_told_escaped = False
        self.progress_at = clock.monotonic()
        self.checked_at = clock.monotonic()  # for a stall
        self.told_at = clock.monotonic()
        self.told_tenth = 0
        self.opted_out: set[str] = set()
        self.heard: set[str] = set()  # error codes whose texts are logged

    @property
    def in_flight(self) -> int:
        """Messages submitted and not answered."""
        return sum(load.in_flight for load in self.loads.values())

    @property
    def under_way(self) -> int:
        """Messages that are intended and not answered: in the line, or in flight."""
        return sum(load.under_way for load in self.loads.values())

    @property
    def untold(self) -> int:
        """Recipients who have an outcome that is not known to be stored."""
        return sum(load.untold for load in self.loads.values())

    def escaped_to_tell(self, updates: Iterable[ChunkUpdate] = ()) -> int | None:
        """Say what escaped a stop, where nothing of the batch is left behind these."""
        if self.has_told_escaped or self.is_complete or not self.has_claimed:
            return None
        released = {one.number for one in updates if one.is_released}
        return self.escaped if self.loads.keys() <= released else None

    @property
    def is_resting(self) -> bool:
        """Whether it may be left alone: nothing in memory, nothing wanted, all known."""
        has_work = bool(self.loads or self.opted_out or self.wanted)
        is_known = self.clock.monotonic() < self.look_at
        return is_known and not has_work and not self.is_stopping

    def unintended(self) -> int:
        """Messages in memory that may be intended next."""
        return sum(load.unintended for load in self.loads.values())

    def may_intend(self) -> bool:
        """Whether anything of it may be submitted now."""
        is_late = self.late_at is not None and self.late_at <= self.clock.unix_us()
        return not self.is_stopping and not self.line.is_blocked and not is_late

    def is_at_its_end(self) -> bool:
        """Whether all that was claimed is done: more may be due, or the batch's end."""
        return not self.loads and self.may_intend() and self.may_claim()

    def is_hungry(self) -> bool:
        """Whether its line ran low, and it may have something for it."""
        if not self.line.ran_low or not self.may_intend() or self.is_held_back():
            return False
        return bool(self.unintended()) or self.is_at_its_end()

    def may_claim(self) -> bool:
        """Whether something may be due that is not in memory."""
        return self.clock.monotonic() >= self.claim_at

    def intend(self, most: int) -> Slice | None:
        """Choose up to ``most`` further messages, no more than its own rate allows."""
        now = self.clock.monotonic()
        if self.pace is not None:
            waiting = self.unintended()
            if not waiting or self.pace.delay_s(now, waiting=waiting) > 0:
                return None
            most = min(most, max(1, int(self.pace.parts_per_s / 20)), self._room())
            if most <= 0:
                return None
        slices = (load.intend(most) for load in self.loads.values())
        chosen = next(filter(None, slices), None)
        if chosen is not None and self.pace is not None:
            self.pace.take(chosen.parts(), now)
        return chosen

    def stop(self) -> None:
        """Intend nothing more, and take back what was not submitted yet."""
        self.is_stopping = True
        self.wanted = 0
        self.line.withdraw(lambda load: load.run is self)

    def is_held_back(self) -> bool:
        """Whether its own rate lets nothing more go at the moment."""
        if self.pace is None:
            return False
        return self._room() <= 0 or self.pace.is_limiting(self.clock.monotonic())

    def _room(self) -> int:
        """
        How many more may wait in the line where the batch has a rate of its own.

        That rate is kept where they enter it: more would leave it all at once.
        """
        assert self.pace is not None  # noqa: S101 - asked where there is one
        ahead = self.under_way - self.in_flight
        return max(1, int(self.pace.parts_per_s * _AHEAD_S)) - ahead

    def limited_by(self) -> str:
        """Why this batch is not faster."""
        now = self.clock.monotonic()
        if self.pace is not None and self.pace.is_limiting(now):
            return "rate"
        return self.line.limited_by()

    def limit_to_tell(self) -> str | None:
        """
        Say why it is not faster, None where there is nothing to say.

        Who is not limited is silent, once that is known: another worker may be.
        """
        reason = "" if self.is_stopping else self.limited_by()
        return reason if reason or self.limit_told else None


def _unix_us(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1_000_000)
