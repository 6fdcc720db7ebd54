"""
What delivery holds in memory: the batches it delivers, and their leased chunks.

Nothing here waits or writes: a ``Run`` knows its turn and its limits, a ``Load`` what of
its chunk is to be intended, what was answered, and what of that is to be stored.
"""

from batchwire.domain.batch import Batch
from batchwire.domain.chunk import Recipe
from batchwire.domain.counts import Counts
from batchwire.domain.ledger import MAX_ATTEMPT, Judge, segment
from batchwire.domain.outcome import Answer, Message, Outcome, Verdict
from batchwire.domain.pacing import backoff_s
from batchwire.domain.shared_pace import SharedPace
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
        self.packed: Claim | None = claim  # until its messages are made
        self.messages: list[Message] = []
        self.repeated = claim.state.repeated()
        self.doubtful = {p: claim.state.errors[p] for p in claim.state.doubtful()}
        self.suppressed: list[tuple[int, Outcome, int]] = []  # not stored yet
        self.intended = 0  # how many of the messages are intended
        self.stored = 0  # how many of them are stored as intended
        self.resolved = 0  # how many have their answer stored
        self.in_flight = 0
        self.retry_attempt = 0  # highest attempt that failed and may be repeated
        self.done: list[Message] = []  # answered, and not known to be stored
        self.answers: list[Answer] = []  # theirs
        self.written = 0  # how many of them the flush under way stores

    @property
    def is_stopping(self) -> bool:
        """Whether nothing of it may go back to the line."""
        return self.run.is_stopping

    def unpack(self) -> None:
        """
        Make the messages; suppressed numbers get none.

        Who of these may have been accepted before is uncertain instead.
        """
        claim, self.packed = self.packed, None
        if claim is None:
            return
        batch_id = self.run.batch.spec.batch_id
        messages = self.run.recipe.messages(
            batch_id, self.base, claim.payload, claim.state
        )
        if out := claim.suppressed:
            places = [m.position - self.base for m in messages if m.to in out]
            attempts = claim.state.attempts
            self.suppressed = [
                (p, self._ended(p), attempts[p] & MAX_ATTEMPT) for p in places
            ]
            messages = [m for m in messages if m.to not in out]
        self.messages = messages

    def _ended(self, place: int) -> Outcome:
        is_doubtful = place in self.doubtful
        return Outcome.UNCERTAIN if is_doubtful else Outcome.SUPPRESSED

    @property
    def unintended(self) -> int:
        """Messages that may be intended next, once they are made."""
        if self.packed is not None:
            return len(self.packed.state.recorded)
        return len(self.messages) - self.intended

    def intend(self, most: int) -> Slice | None:
        """Choose up to ``most`` further messages; None where there is none."""
        chosen = self.messages[self.intended : self.intended + most]
        self.intended += len(chosen)
        return Slice(self, chosen) if chosen else None

    def take_back(self, one: Slice) -> None:
        """Intend no more what was never submitted; the last of the chunk first."""
        if one.messages[-1] is self.messages[self.intended - 1]:
            self.intended -= one.left

    def note(self, message: Message, answer: Answer) -> None:
        """Take any answer: who is to be tried again, and who must be suppressed."""
        self.done.append(message)
        self.answers.append(answer)
        if answer.verdict in {Verdict.TRANSIENT, Verdict.UNCERTAIN}:
            self.retry_attempt = max(self.retry_attempt, message.attempt)
        if answer.suppress:
            self.run.opted_out.add(message.to)

    def due_s(self) -> float | None:
        """When it is due again that is given back now; None where it is kept."""
        if self.is_stopping:
            return 0.0 if not self.in_flight else None
        if self.packed or self.resolved + len(self.done) < len(self.messages):
            return None
        if not self.retry_attempt:
            return 0.0
        return backoff_s(self.retry_attempt, (self.number * 0.618) % 1)

    def update(self, now_ms: int, due_s: float | None) -> ChunkUpdate:
        """Say what is to be written; ``due_s`` releases the lease until then."""
        answered = None
        if self.suppressed:  # then nothing is submitted yet
            places = {place for place, _, _ in self.suppressed}
            errors = {p: e for p, e in self.doubtful.items() if p in places}
            answered = segment(now_ms, self.fence, self.suppressed, errors)
        elif self.done:
            stamp = (now_ms, self.fence, self.base)
            answered = self.run.judge.segment(
                stamp, self.done, self.answers, self.repeated
            )
        self.written = len(self.done)
        intent = 0
        if self.intended:
            intent = self.messages[self.intended - 1].position - self.base + 1
        return ChunkUpdate(
            number=self.number,
            fence=self.fence,
            segment=answered,
            intent=intent,
            is_released=due_s is not None,
            due_s=due_s or 0.0,
        )

    def settle(self) -> None:
        """Forget the answers that are stored now; further ones may have come since."""
        self.suppressed = []
        self.resolved += self.written
        if self.written == len(self.done):
            self.done, self.answers = [], []
        else:
            del self.done[: self.written], self.answers[: self.written]


class Run:
    """A batch in delivery."""

    def __init__(
        self, batch: Batch, line: Line, pace: SharedPace | None, clock: Clock
    ) -> None:
        spec = batch.spec
        self.batch = batch
        self.line = line
        self.clock = clock
        self.recipe: Recipe = recipe(spec)
        self.judge = Judge(spec.max_retries + 1, spec.on_uncertain)
        self.pace = pace  # of its own; None where it has none
        self.loads: dict[int, Load] = {}
        self.counts: Counts = batch.counts
        self.weight = 2.0**spec.priority
        self.turn = 0.0  # virtual time: who has the least goes next
        self.wanted = 0  # chunks to claim with the next flush
        self.claim_at = 0.0
        self.look_at = 0.0  # though nothing is to be written
        self.limit_told = batch.limited_by
        self.is_stopping = False
        self.is_exhausted = False  # nothing left to claim, now or later
        self.has_claimed = False
        self.is_complete = False  # by us or by another worker
        self.escaped = 0
        self.progress_at = clock.monotonic()
        self.told_at = clock.monotonic()
        self.told_tenth = 0
        self.opted_out: set[str] = set()

    @property
    def in_flight(self) -> int:
        """Messages submitted and not answered."""
        return sum(load.in_flight for load in self.loads.values())

    @property
    def is_resting(self) -> bool:
        """Whether it may be left alone: nothing in memory, nothing wanted, all known."""
        has_work = bool(self.loads or self.opted_out or self.wanted)
        is_known = self.clock.monotonic() < self.look_at
        return is_known and not has_work and not self.is_stopping

    def unintended(self) -> int:
        """Messages in memory that may be intended next."""
        return sum(load.unintended for load in self.loads.values())

    def unpack(self) -> None:
        """Make the messages of the chunks claimed last."""
        for load in self.loads.values():
            load.unpack()

    def may_intend(self) -> bool:
        """Whether anything of it may be submitted now."""
        not_after = self.batch.spec.not_after
        is_late = not_after is not None and not_after <= self.clock.now()
        return not self.is_stopping and not self.line.is_blocked and not is_late

    def is_at_its_end(self) -> bool:
        """Whether all that was claimed is done: more may be due, or the batch's end."""
        return not self.loads and self.may_intend() and self.may_claim()

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
            most = min(most, max(1, int(self.pace.parts_per_s / 20)))
        slices = (load.intend(most) for load in self.loads.values())
        chosen = next(filter(None, slices), None)
        if chosen is not None and self.pace is not None:
            self.pace.take(sum(message.parts for message in chosen.messages), now)
        return chosen

    def is_held_back(self) -> bool:
        """Whether its own rate lets nothing more go at the moment."""
        return self.pace is not None and self.pace.is_limiting(self.clock.monotonic())

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
        if not reason and not self.limit_told:
            return None
        self.limit_told = reason
        return reason
