"""Bringing a store to where a test begins, by the port alone."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec

from batchwire.domain import operations
from batchwire.domain.batch import Batch
from batchwire.domain.counts import Counts, count
from batchwire.domain.ledger import VERSION, Payload, pack, segment
from batchwire.domain.lifecycle import Operation, Phase, Trigger
from batchwire.domain.operations import Change, Command
from batchwire.domain.outcome import Outcome
from batchwire.domain.rationing import Ask, Grant, Rate, of_provider
from batchwire.ports.store import (
    Chunk,
    ChunkUpdate,
    Flush,
    Flushed,
    NewChunk,
    Rewrite,
)
from batchwire.testing.builders import FullStore, create, numbers, spec

SIZE = 4  # recipients in each chunk
SLOW = Rate(parts_per_s=0.5)  # nothing is due again while a test runs
ME, OTHER = "me", "other"  # two engines
LASTS_S = 30.0
OPEN, ACCEPTED = Outcome.OPEN, Outcome.ACCEPTED
LOST = ("uncertain", "timeout")  # the error of whose answer never came


class StoreSteps:
    """Steps of the batch ``b1``, unless another is named."""

    async def created(self, store: FullStore, batch_id: str = "b1") -> Batch:
        """Create a batch."""
        return (await create(store, spec(batch_id)))[0]

    async def enter(self, store: FullStore, *triggers: Trigger) -> Batch:
        """Move the batch by the facts an engine finds."""
        batch = await store.batch("b1")
        for trigger in triggers:
            batch = await store.change("b1", partial(entering, trigger))
        return batch

    async def prepared(self, store: FullStore, chunks: int = 2) -> None:
        """Create a batch with chunks of open recipients, in preparation_running."""
        await self.created(store)
        await self.enter(store, Trigger.PREPARATION_STARTED)
        await store.begin_preparing("b1", ME)
        await store.write_prepared("b1", ME, [new_chunk(n) for n in range(chunks)])

    async def delivering(self, store: FullStore, chunks: int = 2) -> None:
        """Create a batch in delivery_running, and two engines that may deliver it."""
        await self.prepared(store, chunks)
        for owner in (ME, OTHER):
            await store.become_engine(owner, LASTS_S)
        await self.enter(store, Trigger.SEALED, Trigger.DELIVERY_STARTED)

    async def flush(
        self,
        store: FullStore,
        *updates: ChunkUpdate,
        claim: int = 0,
        owner: str = ME,
        escaped: int | None = None,
    ) -> Flushed:
        """Flush one batch."""
        flush = Flush(batch_id="b1", updates=updates, claim=claim, escaped=escaped)
        return (await store.flush(owner, [flush]))[0]

    async def operate(
        self,
        store: FullStore,
        operation: Operation,
        request_id: str = "r",
        *,
        phase: Phase = Phase.NONE,
        selection: str = "",
    ) -> Batch:
        """Carry out an operation."""
        command = Command(
            batch_id="b1",
            operation=operation,
            request_id=request_id,
            phase=phase,
            selection=selection,
        )
        now = (await store.batch("b1")).spec.created_at
        return await store.change(
            "b1", lambda b: operations.operate(b, command, now), command=command
        )

    async def end_as(self, store: FullStore, outcome: Outcome) -> Batch:
        """End the batch, so that who is open has this outcome."""
        if outcome is Outcome.ABORTED:
            return await self.operate(store, Operation.ABORT)
        return await self.enter(store, Trigger.EXPIRED)

    async def reserve(self, store: FullStore, most: int = 1) -> Grant:
        """Ask for slots of one provider."""
        ask = Ask(name=of_provider("acme"), least=1, most=most, rate=SLOW)
        return (await store.reserve([ask]))[0]

    async def take_back(self, store: FullStore, some: Sequence[Chunk]) -> None:
        """Do what rescue does: end leases of the dead."""
        rewrites = [
            Rewrite(number=c.number, segments=(), counts=c.counts, fence=c.fence)
            for c in some
        ]
        change = Change(facts=(operations.note("recovered"),))
        await store.change("b1", lambda _: change, rewrites=rewrites)


def payload(number: int) -> bytes:
    """Pack the recipients of a chunk."""
    lines = "\n".join(numbers(SIZE, number * SIZE))
    return pack(Payload(VERSION, lines, (), b"\x01" * SIZE))


def new_chunk(number: int) -> NewChunk:
    """Make a chunk of open recipients, a part each."""
    return NewChunk(
        number=number,
        payload=payload(number),
        segment=None,
        counts=count(bytes(SIZE)),
        parts=SIZE,
    )


def answers(
    fence: int,
    outcomes: Sequence[Outcome],
    errors: dict[int, tuple[str, str]] | None = None,
    **fields: object,
) -> ChunkUpdate:
    """Make the update of chunk 0 whose first recipients have these outcomes."""
    entries = [(p, one, 1) for p, one in enumerate(outcomes)]
    told = segment(0, fence, entries, errors)
    return ChunkUpdate(number=0, fence=fence, segments=(told,), **fields)  # type: ignore[arg-type]


def pause(request_id: str, batch_id: str = "b1") -> Command:
    """Make the command to pause."""
    return Command(batch_id=batch_id, operation=Operation.PAUSE, request_id=request_id)


def told_of(counts: Counts) -> dict[Outcome, int]:
    """Give the counts that are not zero, by outcome."""
    return {outcome: counts[outcome] for outcome in Outcome if counts[outcome]}


def released(update: ChunkUpdate) -> ChunkUpdate:
    """Let the chunk be given back with it."""
    return msgspec.structs.replace(update, is_released=True)


def entering(trigger: Trigger, batch: Batch) -> Change:
    """Decide on a transition, at the time when the batch was made."""
    return operations.enter(batch, trigger, batch.spec.created_at)


async def all_of(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    """Read them all."""
    return [chunk async for chunk in chunks]


def ids_of(batches: Sequence[Batch]) -> list[str]:
    """Give their ids, in their order."""
    return [batch.spec.batch_id for batch in batches]
