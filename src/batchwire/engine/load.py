"""
What delivery holds in memory: the batches it delivers, and their leased chunks.

Nothing here waits or writes: a ``Run`` knows its turn and its limits, a ``Load`` what of
its chunk is to be intended, what was answered, and what of that is to be stored.
"""

from collections.abc import Sequence
from datetime import timedelta

from batchwire.domain.batch import Batch
from batchwire.domain.chunk import Recipe
from batchwire.domain.counts import Counts
from batchwire.domain.ledger import REPEAT, Judge, segment
from batchwire.domain.outcome import Answer, Message, Outcome, Verdict
from batchwire.domain.pacing import Pace, backoff_s
from batchwire.engine.recipe import recipe
from batchwire.engine.submission import Line, Slice
from batchwire.ports.clock import Clock
from batchwire.ports.store import ChunkUpdate, Claim


class Load:
    """A leased chunk in memory: what is to be intended, and what was answered."""

    def __init__(self, run: "Run", claim: Claim) -> None:
        self.run = run
        self.number = claim.number
        self.fence = claim.fence
        self.base = claim.number * run.batch.spec.chunk_size
        self.messages = run.recipe.messages(
            run.batch.spec.batch_id, self.base, claim.payload, claim.state
        )
        self.repeated = frozenset(
            p for p, attempt in enumerate(claim.state.attempts) if attempt & REPEAT
        )
        self.is_checked = False  # whether suppressed numbers were taken out
        self.suppressed: list[tuple[int, Outcome, int]] = []  # not stored yet
        self.attempts = claim.state.attempts
        self.intended = 0  # how many of the messages are intended
        self.stored = 0  # how many of them are stored as intended
        self.resolved = 0  # how many have their answer stored or collected
        self.in_flight = 0
        self.retry_attempt = 0  # highest attempt that failed and may be repeated
        self.done: list[Message] = []
        self.answers: list[Answer] = []

    @property
    def is_stopping(self) -> bool:
        """Whether nothing of it may go back to the line."""
        return self.run.is_stopping

    def take_out(self, suppressed: set[str]) -> None:
        """Never submit to these; called before anything is intended."""
        self.is_checked = True
        if suppressed.isdisjoint(m.to for m in self.messages):
            return
        places = [m.position - self.base for m in self.messages if m.to in suppressed]
        self.suppressed = [(p, Outcome.SUPPRESSED, self.attempts[p]) for p in places]
        self.messages = [m for m in self.messages if m.to not in suppressed]

    def intend(self, most: int, size: int) -> list[Slice]:
        """Choose up to ``most`` further messages, in slices of ``size``."""
        end = min(self.intended + most, len(self.messages))
        chosen = [
            Slice(self, self.messages[at : min(at + size, end)])
            for at in range(self.intended, end, size)
        ]
        self.intended = end
        return chosen

    def take_back(self, one: Slice) -> None:
        """Intend no more what was never submitted; the last of the chunk first."""
        if one.messages[-1] is self.messages[self.intended - 1]:
            self.intended -= len(one.messages)

    def note(self, messages: list[Message], answers: Sequence[Answer]) -> None:
        """Remember who is to be tried again, and who must be suppressed."""
        for message, answer in zip(messages, answers, strict=True):
            if answer.verdict in {Verdict.TRANSIENT, Verdict.UNCERTAIN}:
                self.retry_attempt = max(self.retry_attempt, message.attempt)
            if answer.suppress:
                self.run.opted_out.add(message.to)

    def due_s(self) -> float | None:
        """When it is due again that is given back now; None where it is kept."""
        if self.is_stopping:
            return 0.0 if not self.in_flight else None
        if self.resolved + len(self.done) < len(self.messages):
            return None
        if not self.retry_attempt:
            return 0.0
        return backoff_s(self.retry_attempt, (self.number * 0.618) % 1)

    def update(self, now_ms: int, due_s: float | None) -> ChunkUpdate:
        """Say what is to be written; ``due_s`` releases the lease until then."""
        answered = None
        if self.suppressed:  # then nothing is submitted yet
            answered = segment(now_ms, self.fence, self.suppressed)
        elif self.done:
            stamp = (now_ms, self.fence, self.base)
            answered = self.run.judge.segment(
                stamp, self.done, self.answers, self.repeated
            )
        intent = 0
        if self.intended:
            intent = self.messages[self.intended - 1].position - self.base + 1
        clock = self.run.clock
        return ChunkUpdate(
            number=self.number,
            fence=self.fence,
            segment=answered,
            intent=intent,
            is_released=due_s is not None,
            due_at=clock.now() + timedelta(seconds=due_s) if due_s else None,
        )


class Run:
    """A batch in delivery."""

    def __init__(self, batch: Batch, line: Line, clock: Clock) -> None:
        spec = batch.spec
        self.batch = batch
        self.line = line
        self.clock = clock
        self.recipe: Recipe = recipe(spec)
        self.judge = Judge(spec.max_retries + 1, spec.on_uncertain)
        self.pace = Pace(spec.rate_parts_per_s)
        self.loads: dict[int, Load] = {}
        self.counts: Counts = batch.counts
        self.weight = 2.0**spec.priority
        self.turn = 0.0  # virtual time: who has the least goes next
        self.claim_at = 0.0
        self.is_stopping = False
        self.is_exhausted = False  # nothing left to claim, now or later
        self.has_claimed = False
        self.escaped = 0
        self.progress_at = clock.monotonic()
        self.told_at = clock.monotonic()
        self.told_tenth = 0
        self.opted_out: set[str] = set()

    @property
    def in_flight(self) -> int:
        """Messages submitted and not answered."""
        return sum(load.in_flight for load in self.loads.values())

    def unintended(self) -> int:
        """Messages in memory that may be intended next."""
        return sum(len(x.messages) - x.intended for x in self.loads.values())

    def limited_by(self) -> str:
        """Why this batch is not faster."""
        now = self.clock.monotonic()
        if self.pace.rate and self.pace.delay_s(now) > 0:
            return "rate"
        return self.line.limited_by()
