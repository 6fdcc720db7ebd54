"""
Control: an operator's pause, resume, abort and retry.

The decision is taken inside the store's transaction, so clients that race each other
see one history. Who works on the batch finds out at its next flush.
"""

import msgspec
import structlog

from batchwire.domain import operations
from batchwire.domain.batch import Batch
from batchwire.domain.counts import count
from batchwire.domain.ledger import MAX_ATTEMPT, ChunkState, segment
from batchwire.domain.lifecycle import Operation
from batchwire.domain.operations import Change, Command
from batchwire.domain.outcome import RETRYABLE, Outcome, Verdict
from batchwire.errors import RecipientsPurged, StaleBatch
from batchwire.ports.clock import Clock
from batchwire.ports.store import Chunk, Rewrite, Store

_TRIES = 5

log = structlog.get_logger()


class Selection(msgspec.Struct, frozen=True):
    """
    Which recipients a retry takes up again.

    ``outcome`` is one of ``RETRYABLE``; ``error_class`` (``transient``,
    ``permanent`` …) or ``error_code`` narrow it down. A submission that was given up
    as uncertain is only taken where its class is named.
    """

    outcome: Outcome = Outcome.FAILED
    error_class: str = ""
    error_code: str = ""

    def places(self, state: ChunkState) -> list[int]:
        """Give the positions of a chunk that are selected."""
        return [
            place
            for place, outcome in enumerate(state.outcomes())
            if outcome == self.outcome
            and state.attempts[place] & MAX_ATTEMPT < MAX_ATTEMPT
            and self._fits(*state.errors.get(place, ("", "")))
        ]

    def _fits(self, error_class: str, error_code: str) -> bool:
        if self.error_code and error_code != self.error_code:
            return False
        if self.error_class:
            return error_class == self.error_class
        return self.outcome is not Outcome.FAILED or error_class != Verdict.UNCERTAIN


class Control:
    """Carries out operations. Any number may run at once, in any process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def operate(
        self, command: Command, selection: Selection | None = None
    ) -> Batch:
        """
        Carry out one operation; the same request_id again gets the first answer.

        ``selection`` is for retry.

        Raises:
            UnknownBatch: there is no such batch.
            BatchConflict: its request_id was another operation's, or selection's.
            IllegalOperation: it does not fit; says what does. The refusal is kept.

        """
        for _ in range(_TRIES):
            try:
                batch = await self._operate(command, selection or Selection())
            except (StaleBatch, RecipientsPurged):  # purged while we read them
                continue
            log.info(
                "batch_operation",
                batch_id=command.batch_id,
                operation=command.operation,
                request_id=command.request_id,
                status=batch.state.status,
            )
            return batch
        raise StaleBatch(command.batch_id, "changes too often; try again")

    async def _operate(self, command: Command, selection: Selection) -> Batch:
        before = await self._store.batch(command.batch_id)
        obstacle = ""
        rewrites: list[Rewrite] = []
        is_retry = command.operation is Operation.RETRY and before.state.is_sealed
        is_known = not before.state.is_purged
        if is_retry:  # else everybody is prepared again
            command = msgspec.structs.replace(command, selection=_told(selection))
        if is_retry and is_known and before.state.status.has_ended:
            # Opened again now, who is in flight would be submitted twice. Nobody leases
            # a chunk of an ended batch: once none is leased, none changes any more.
            async for _ in self._store.chunks(command.batch_id, is_leased=True):
                obstacle = "submissions are still waiting for their answer"
                break
            at_ms = self._clock.unix_us() // 1000
            rewrites = [
                rewrite
                async for chunk in self._store.chunks(command.batch_id)
                if (rewrite := _reopened(chunk, selection, at_ms))
            ]
            if not rewrites:
                obstacle = f"no recipient is {_told(selection)}{_others(before)}"

        def decide(batch: Batch) -> Change:
            is_stale = batch.state.sequence != before.state.sequence
            if is_retry and is_stale and batch.state.status.has_ended:
                raise StaleBatch(command.batch_id, "was changed meanwhile")
            return operations.operate(
                batch, command, self._clock.now(), obstacle=obstacle
            )

        return await self._store.change(
            command.batch_id,
            decide,
            command=command,
            rewrites=rewrites,
        )


def _reopened(chunk: Chunk, selection: Selection, at_ms: int) -> Rewrite | None:
    """
    Open the selected recipients again; the others stay what they are.

    What their last attempt met stays known: who may have been accepted still may.
    """
    places = selection.places(chunk.state)
    if not places:
        return None
    errors, attempts = chunk.state.errors, chunk.state.attempts
    outcomes = bytearray(chunk.state.outcomes())
    for place in places:
        outcomes[place] = Outcome.OPEN
    # What a chunk was closed as is told of nobody by name, until now.
    told = places if chunk.state.closed_as is None else range(len(outcomes))
    opened = segment(
        at_ms,
        chunk.fence,
        [(p, outcomes[p], attempts[p]) for p in told],
        {p: errors[p] for p in told if p in errors},
    )
    return Rewrite(number=chunk.number, segments=(opened,), counts=count(outcomes))


def _others(batch: Batch) -> str:
    """Say how many have each of the outcomes that a retry can take up."""
    counts = [(batch.counts[one], one.name.lower()) for one in sorted(RETRYABLE)]
    told = ", ".join(f"{count:,} {name}" for count, name in counts if count)
    return f" (there are: {told})" if told else ""


def _told(selection: Selection) -> str:
    words = [selection.outcome.name.lower(), selection.error_class]
    return " ".join(filter(None, [*words, selection.error_code]))
