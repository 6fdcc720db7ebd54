"""What every store must do (``ports.store``, ``ports.event_store``)."""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial

import msgspec
import pytest

from batchwire.domain import operations
from batchwire.domain.batch import Batch
from batchwire.domain.counts import Counts, count
from batchwire.domain.events import EventType, fold
from batchwire.domain.ledger import VERSION, Payload, pack, segment
from batchwire.domain.lifecycle import Operation, Phase, Status, Trigger
from batchwire.domain.operations import Change, Command
from batchwire.domain.outcome import Outcome
from batchwire.domain.rationing import AHEAD_S, Ask, Grant, Rate, of_provider
from batchwire.errors import (
    BatchConflict,
    IllegalOperation,
    StaleBatch,
    StaleLease,
    StoreDamaged,
    UnknownBatch,
)
from batchwire.ports.store import (
    Chunk,
    ChunkUpdate,
    Flush,
    Flushed,
    NewChunk,
    Rewrite,
)
from batchwire.ports.workers import PASSING
from batchwire.testing.builders import FullStore, create, numbers, spec
from batchwire.testing.clock import ManualClock

SIZE = 4  # recipients in each chunk
SLOW = Rate(parts_per_s=0.5)  # nothing is due again while a test runs
ME, OTHER = "me", "other"  # two engines
LASTS_S = 30.0
OPEN, ACCEPTED = Outcome.OPEN, Outcome.ACCEPTED
LOST = ("uncertain", "timeout")  # the error of whose answer never came


class StoreContract:
    """
    Inherit, name the subclass ``Test…``, give it the fixtures ``store`` and ``clock``.

    ``store`` is open and empty, closed afterwards by the fixture, and takes its times
    from ``clock``.
    """

    async def created(self, store: FullStore, batch_id: str = "b1") -> Batch:
        """Create a batch."""
        return (await create(store, spec(batch_id)))[0]

    async def enter(self, store: FullStore, *triggers: Trigger) -> Batch:
        """Move the batch by the facts an engine finds."""
        batch = await store.batch("b1")
        for trigger in triggers:
            batch = await store.change("b1", partial(_enter, trigger))
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

    # Batches

    async def test_a_created_batch_is_read_back_as_it_was_asked_for(
        self, store: FullStore
    ) -> None:
        """Specification, state and counts."""
        batch, is_new = await create(store, spec())
        assert is_new
        assert batch == await store.batch("b1")
        assert batch.spec == spec()
        assert batch.state.status is Status.PREPARATION_READY
        assert sum(batch.counts) == 0

    async def test_the_same_request_again_gives_the_first_batch(
        self, store: FullStore
    ) -> None:
        """And adds no event."""
        first = await self.created(store)
        again, is_new = await create(store, spec())
        assert (again, is_new) == (first, False)

    async def test_a_taken_batch_id_is_a_conflict(self, store: FullStore) -> None:
        """Whoever asks under another request_id."""
        await self.created(store)
        with pytest.raises(BatchConflict, match="made by request create-b1"):
            await create(store, spec(request_id="other"))

    async def test_a_request_id_with_other_content_is_a_conflict(
        self, store: FullStore
    ) -> None:
        """Another digest, or another batch_id."""
        await self.created(store)
        with pytest.raises(BatchConflict, match="other content"):
            await create(store, spec(), b"another")
        other = spec("b2", request_id="create-b1")
        with pytest.raises(BatchConflict, match="batch b1"):
            await create(store, other)

    async def test_an_unknown_batch_is_refused_everywhere(
        self, store: FullStore
    ) -> None:
        """Reading, changing, replaying, verifying."""
        with pytest.raises(UnknownBatch):
            await store.batch("none")
        with pytest.raises(UnknownBatch):
            await store.change("none", lambda _: Change())
        with pytest.raises(UnknownBatch):
            await store.store("none", operations.note("n"))
        with pytest.raises(UnknownBatch):
            [event async for event in store.replay("none")]
        with pytest.raises(UnknownBatch):
            await store.verify("none")

    async def test_batches_are_listed_newest_first_and_by_status(
        self, store: FullStore
    ) -> None:
        """With and without a limit."""
        for batch_id in ("b1", "b2", "b3"):
            await self.created(store, batch_id)
        await self.enter(store, Trigger.PREPARATION_STARTED)
        assert _ids(await store.batches()) == ["b3", "b2", "b1"]
        assert _ids(await store.batches(limit=2)) == ["b3", "b2"]
        ready = await store.batches({Status.PREPARATION_READY})
        assert _ids(ready) == ["b3", "b2"]

    # Changes

    async def test_a_change_moves_the_state_and_is_an_event(
        self, store: FullStore
    ) -> None:
        """In one transaction."""
        await self.created(store)
        batch = await self.operate(store, Operation.PAUSE)
        assert batch.state.status is Status.PREPARATION_PAUSED
        types = [event.type async for event in store.replay("b1")]
        assert types == [EventType.REQUEST, EventType.OPERATION, EventType.STATUS]

    async def test_an_error_while_deciding_changes_nothing(
        self, store: FullStore
    ) -> None:
        """And the request_id stays free."""
        await self.created(store)

        def decide(_: Batch) -> Change:
            raise IllegalOperation("b1", "pause", "test", ())

        with pytest.raises(IllegalOperation):
            await store.change("b1", decide, command=pause("r"))
        before = await store.batch("b1")
        assert before.state.sequence == 1
        after = await self.operate(store, Operation.PAUSE, "r")
        assert after.state.status is Status.PREPARATION_PAUSED

    async def test_a_refusal_is_stored_and_then_raised(self, store: FullStore) -> None:
        """The audit log knows of it."""
        await self.created(store)
        with pytest.raises(IllegalOperation, match="what fits now: pause, abort"):
            await self.operate(store, Operation.RETRY)
        events = [event async for event in store.replay("b1")]
        assert events[-1].type is EventType.REFUSAL
        assert events[-1].data["operation"] == "retry"

    async def test_a_request_id_again_gets_the_first_answer(
        self, store: FullStore
    ) -> None:
        """Although the batch has moved on meanwhile."""
        await self.created(store)
        await self.operate(store, Operation.PAUSE, "p1")
        resumed = await self.operate(store, Operation.RESUME, "p2")
        again = await self.operate(store, Operation.PAUSE, "p1")
        assert again == resumed

    async def test_a_request_id_again_gets_the_first_refusal(
        self, store: FullStore
    ) -> None:
        """Word for word, and once in the log."""
        await self.created(store)
        with pytest.raises(IllegalOperation) as first:
            await self.operate(store, Operation.RETRY, "p1")
        await self.operate(store, Operation.ABORT, "p2")
        before = await store.batch("b1")
        with pytest.raises(IllegalOperation) as second:
            await self.operate(store, Operation.RETRY, "p1")
        assert str(first.value) == str(second.value)
        assert await store.batch("b1") == before

    async def test_a_request_id_of_another_batch_is_a_conflict(
        self, store: FullStore
    ) -> None:
        """It would answer a question nobody asked."""
        await self.created(store)
        await self.created(store, "b2")
        await self.operate(store, Operation.PAUSE, "p1")
        with pytest.raises(BatchConflict, match="was for batch b1"):
            await store.change(
                "b2", lambda _: Change(), command=pause("p1", batch_id="b2")
            )

    async def test_a_request_id_of_another_operation_is_a_conflict(
        self, store: FullStore
    ) -> None:
        """Nobody is told that his resume was done because a pause was."""
        await self.created(store)
        paused = await self.operate(store, Operation.PAUSE, "p1")
        with pytest.raises(BatchConflict, match="was to pause it"):
            await self.operate(store, Operation.RESUME, "p1")
        assert await store.batch("b1") == paused

    async def test_a_request_id_of_another_selection_is_a_conflict(
        self, store: FullStore
    ) -> None:
        """As often as it is asked for; the first keeps its answer, here a refusal."""
        await self.created(store)
        with pytest.raises(IllegalOperation) as first:
            await self.operate(store, Operation.RETRY, "r1", selection="failed")
        before = await store.batch("b1")
        for _ in range(2):
            with pytest.raises(BatchConflict, match="'failed'; 'uncertain' needs"):
                await self.operate(store, Operation.RETRY, "r1", selection="uncertain")
        with pytest.raises(IllegalOperation) as again:
            await self.operate(store, Operation.RETRY, "r1", selection="failed")
        assert str(again.value) == str(first.value)
        assert await store.batch("b1") == before

    async def test_a_request_id_of_another_phase_is_a_conflict(
        self, store: FullStore
    ) -> None:
        """It might not have been carried out there."""
        await self.created(store)
        paused = await self.operate(
            store, Operation.PAUSE, "p1", phase=Phase.PREPARATION
        )
        with pytest.raises(BatchConflict, match="with phase 'preparation'"):
            await self.operate(store, Operation.PAUSE, "p1")
        assert await store.batch("b1") == paused

    async def test_an_answer_whose_event_says_less_is_no_conflict(
        self, store: FullStore
    ) -> None:
        """An earlier release did not write down whom a retry takes up."""
        await self.created(store)
        with pytest.raises(IllegalOperation):
            await self.operate(store, Operation.RETRY, "r1")
        with pytest.raises(IllegalOperation):
            await self.operate(store, Operation.RETRY, "r1", selection="failed")

    async def test_an_abort_closes_everything_open(self, store: FullStore) -> None:
        """The ledger stays closed."""
        await self.delivering(store)
        batch = await self.operate(store, Operation.ABORT)
        assert batch.counts[Outcome.ABORTED] == 2 * SIZE
        assert batch.open_recipients == 0
        assert await store.verify("b1") == []

    # Preparation

    async def test_chunks_are_added_while_preparation_runs(
        self, store: FullStore
    ) -> None:
        """Counts and parts move along."""
        await self.created(store)
        await self.enter(store, Trigger.PREPARATION_STARTED)
        await store.begin_preparing("b1", ME)
        refused = segment(0, 0, [(1, Outcome.INVALID, 0)], {1: ("invalid", "letters")})
        chunk = NewChunk(
            number=0,
            payload=payload(0),
            segment=refused,
            counts=count(bytes([0, Outcome.INVALID, 0, 0])),
            parts=SIZE - 1,
        )
        status = await store.write_prepared("b1", ME, [chunk], (operations.progress(),))
        assert status is Status.PREPARATION_RUNNING
        batch = await store.batch("b1")
        assert (batch.counts[OPEN], batch.counts[Outcome.INVALID]) == (SIZE - 1, 1)
        assert batch.parts == SIZE - 1
        assert batch.state.counts == batch.counts
        assert await store.verify("b1") == []

    async def test_chunks_of_a_paused_preparation_are_not_written(
        self, store: FullStore
    ) -> None:
        """The status tells why."""
        await self.prepared(store, chunks=1)
        await self.operate(store, Operation.PAUSE)
        status = await store.write_prepared("b1", ME, [new_chunk(1)])
        assert status is Status.PREPARATION_PAUSED
        assert len([chunk async for chunk in store.chunks("b1")]) == 1

    async def test_chunks_are_read_in_order(self, store: FullStore) -> None:
        """However many there are."""
        await self.prepared(store, chunks=40)
        read = [chunk async for chunk in store.chunks("b1")]
        assert [chunk.number for chunk in read] == list(range(40))
        assert [chunk.payload for chunk in read] == [payload(n) for n in range(40)]

    async def test_a_rewrite_moves_the_counts_and_the_parts(
        self, store: FullStore
    ) -> None:
        """With the change that asks for it."""
        await self.prepared(store)
        twice = segment(0, 0, [(0, Outcome.DUPLICATE, 0)])
        rewrite = Rewrite(
            number=1,
            segments=(twice,),
            counts=count(bytes([Outcome.DUPLICATE, 0, 0, 0])),
            parts_removed=1,
        )
        batch = await store.change(
            "b1", partial(_enter, Trigger.SEALED), rewrites=[rewrite]
        )
        assert batch.counts[Outcome.DUPLICATE] == 1
        assert batch.counts[OPEN] == 2 * SIZE - 1
        assert batch.parts == 2 * SIZE - 1
        assert await store.verify("b1") == []

    async def test_chunks_are_rewritten_while_preparation_runs(
        self, store: FullStore
    ) -> None:
        """Counts and parts move along, the facts are events; once paused, nothing is."""
        await self.prepared(store)
        mark = segment(1, 0, [(2, Outcome.DUPLICATE, 0)])
        rewrite = Rewrite(
            number=1,
            segments=(mark,),
            counts=count(bytes([0, 0, Outcome.DUPLICATE, 0])),
            parts_removed=1,
        )
        facts = (operations.progress(),)
        status = await store.write_prepared("b1", ME, [rewrite], facts)
        assert status is Status.PREPARATION_RUNNING
        assert await store.write_prepared("b1", ME, []) is Status.PREPARATION_RUNNING
        batch = await store.batch("b1")
        assert batch.counts[Outcome.DUPLICATE] == 1
        assert batch.parts == 2 * SIZE - 1
        assert batch.state.counts == batch.counts
        await self.operate(store, Operation.PAUSE)
        status = await store.write_prepared("b1", ME, [rewrite], facts)
        assert status is Status.PREPARATION_PAUSED
        chunks = [chunk async for chunk in store.chunks("b1")]
        assert list(chunks[1].state.recorded) == [0, 0, Outcome.DUPLICATE, 0]
        assert len(chunks[1].state.segments) == 1
        assert await store.verify("b1") == []

    async def test_a_rewrite_with_a_refusal_or_without_effect_is_not_written(
        self, store: FullStore
    ) -> None:
        """The decision rules."""
        await self.prepared(store)
        rewrite = Rewrite(number=0, segments=(), counts=count(b"\x07" * SIZE))
        await store.change("b1", lambda _: Change(), rewrites=[rewrite])
        command = Command(batch_id="b1", operation=Operation.RETRY, request_id="r")
        with pytest.raises(IllegalOperation):
            await store.change(
                "b1",
                lambda b: operations.operate(b, command, b.spec.created_at),
                rewrites=[rewrite],
            )
        assert (await store.batch("b1")).counts[OPEN] == 2 * SIZE

    # Delivery

    async def test_a_claim_leases_chunks_once(self, store: FullStore) -> None:
        """A second worker gets the others only."""
        await self.delivering(store, chunks=3)
        mine = await self.flush(store, claim=2)
        other = await self.flush(store, claim=2, owner=OTHER)
        assert [claim.number for claim in mine.claims] == [0, 1]
        assert [claim.number for claim in other.claims] == [2]
        assert mine.claims[0].payload == payload(0)
        assert other.next_due_s is None

    async def test_answers_move_the_counts(self, store: FullStore) -> None:
        """Of the chunk and of the batch."""
        await self.delivering(store)
        (claim,) = (await self.flush(store, claim=1)).claims
        found = await self.flush(store, answers(claim.fence, [ACCEPTED] * SIZE))
        assert found.counts[ACCEPTED] == SIZE
        assert found.counts[OPEN] == SIZE
        assert await store.verify("b1") == []

    async def test_an_intent_is_kept_and_ends_with_the_lease(
        self, store: FullStore
    ) -> None:
        """Rescue reads it."""
        await self.delivering(store, chunks=1)
        (claim,) = (await self.flush(store, claim=1)).claims
        await self.flush(store, ChunkUpdate(number=0, fence=claim.fence, intent=3))
        (leased,) = [chunk async for chunk in store.chunks("b1", is_leased=True)]
        assert (leased.intent, leased.fence) == (3, claim.fence)
        release = ChunkUpdate(number=0, fence=claim.fence, is_released=True)
        await self.flush(store, release)
        assert [chunk async for chunk in store.chunks("b1", is_leased=True)] == []

    async def test_where_it_does_not_run_an_intent_may_only_be_less(
        self, store: FullStore
    ) -> None:
        """Nothing more is submitted; who was taken out of the line never was."""
        await self.delivering(store, chunks=1)
        (claim,) = (await self.flush(store, claim=1)).claims
        found = []
        for intent in (2, 3, 1, 0):
            update = ChunkUpdate(number=0, fence=claim.fence, intent=intent)
            await self.flush(store, update)
            (leased,) = [chunk async for chunk in store.chunks("b1", is_leased=True)]
            found.append(leased.intent)
            if intent == 2:
                await self.operate(store, Operation.PAUSE)
        assert found == [2, 2, 1, 0]

    async def test_what_escaped_is_told_with_the_last_answers(
        self, store: FullStore
    ) -> None:
        """It adds up, with the counts as the answers leave them."""
        await self.delivering(store, chunks=1)
        (claim,) = (await self.flush(store, claim=1)).claims
        await self.operate(store, Operation.PAUSE)
        last = answers(claim.fence, [ACCEPTED] * 3, is_released=True)
        for updates in ((last,), ()):
            work = Flush(batch_id="b1", updates=updates, escaped=3)
            await store.flush(ME, [work])
        state = (await store.batch("b1")).state
        assert state.status is Status.DELIVERY_PAUSED
        assert (state.escaped, state.counts[ACCEPTED]) == (6, 3)
        assert await store.verify("b1") == []

    async def test_a_released_chunk_comes_again_when_it_is_due(
        self, store: FullStore, clock: ManualClock
    ) -> None:
        """With a higher fence, and what was answered."""
        await self.delivering(store, chunks=1)
        (claim,) = (await self.flush(store, claim=1)).claims
        update = answers(claim.fence, [ACCEPTED], is_released=True, due_s=10.0)
        found = await self.flush(store, update, claim=1)
        assert (found.claims, found.next_due_s) == ((), 10.0)
        await clock.advance(10)
        (again,) = (await self.flush(store, claim=1)).claims
        assert again.fence > claim.fence
        assert again.state.open_positions() == [1, 2, 3]

    async def test_what_was_taken_over_is_not_written(self, store: FullStore) -> None:
        """A worker that slept past its lease changes nothing."""
        await self.delivering(store, chunks=1)
        (old,) = (await self.flush(store, claim=1)).claims
        await store.resign(ME)
        await self.take_back(store, await _all(store.lost_chunks("b1")))
        await store.become_engine(ME, LASTS_S)
        (new,) = (await self.flush(store, claim=1, owner=OTHER)).claims
        found = await self.flush(store, answers(old.fence, [ACCEPTED], intent=4))
        assert found.stale == (0,)
        assert found.counts[ACCEPTED] == 0
        (chunk,) = [chunk async for chunk in store.chunks("b1")]
        assert (chunk.fence, chunk.intent) == (new.fence, 0)
        assert await store.verify("b1") == []

    async def test_another_owner_with_the_right_fence_is_stale_too(
        self, store: FullStore
    ) -> None:
        """Both must fit."""
        await self.delivering(store, chunks=1)
        (claim,) = (await self.flush(store, claim=1)).claims
        update = answers(claim.fence, [ACCEPTED])
        assert (await self.flush(store, update, owner=OTHER)).stale == (0,)

    async def test_a_paused_batch_takes_no_new_chunk_and_no_intent(
        self, store: FullStore
    ) -> None:
        """But its answers."""
        await self.delivering(store)
        (claim,) = (await self.flush(store, claim=1)).claims
        await self.operate(store, Operation.PAUSE)
        update = answers(claim.fence, [ACCEPTED], intent=4)
        found = await self.flush(store, update, claim=1)
        assert found.status is Status.DELIVERY_PAUSED
        assert found.claims == ()
        assert found.counts[ACCEPTED] == 1
        (leased,) = [chunk async for chunk in store.chunks("b1", is_leased=True)]
        assert leased.intent == 0

    async def test_answers_after_an_abort_move_from_aborted(
        self, store: FullStore
    ) -> None:
        """What was in flight is told as it was."""
        await self.delivering(store)
        (claim,) = (await self.flush(store, claim=1)).claims
        await self.operate(store, Operation.ABORT)
        late = answers(claim.fence, [ACCEPTED, OPEN], is_released=True)
        found = await self.flush(store, late, escaped=1)
        assert found.counts[ACCEPTED] == 1
        assert found.counts[Outcome.ABORTED] == 2 * SIZE - 1
        assert found.counts[OPEN] == 0
        assert await store.verify("b1") == []

    @pytest.mark.parametrize("is_released", [False, True])
    @pytest.mark.parametrize("ended", [Outcome.ABORTED, Outcome.EXPIRED])
    async def test_who_may_have_been_accepted_ends_as_uncertain(
        self,
        store: FullStore,
        ended: Outcome,
        is_released: bool,  # noqa: FBT001 - a parameter of the test
    ) -> None:
        """With the error of that submission; all others end as the batch does."""
        await self.delivering(store)
        (claim,) = (await self.flush(store, claim=1)).claims
        errors = {1: LOST, 2: ("transient", "http_503")}
        told = answers(claim.fence, [ACCEPTED, OPEN, OPEN], errors=errors)
        await self.flush(store, _released(told) if is_released else told)
        batch = await self.end_as(store, ended)
        assert told_of(batch.counts) == {
            ACCEPTED: 1,
            Outcome.UNCERTAIN: 1,
            ended: 2 * SIZE - 2,
        }
        assert batch.state.counts == batch.counts
        first, second = await _all(store.chunks("b1"))
        assert list(first.state.outcomes()) == [
            ACCEPTED,
            Outcome.UNCERTAIN,
            ended,
            ended,
        ]
        assert first.state.errors[1] == LOST
        assert told_of(second.counts) == {ended: SIZE}
        assert await store.verify("b1") == []

    async def test_whom_a_definite_answer_reached_the_end_leaves_alone(
        self, store: FullStore
    ) -> None:
        """Whatever the submission before it met."""
        await self.delivering(store, chunks=1)
        (claim,) = (await self.flush(store, claim=1)).claims
        lost = answers(claim.fence, [OPEN] * 3, errors=dict.fromkeys(range(3), LOST))
        await self.flush(store, lost)
        again = [ACCEPTED, Outcome.FAILED, OPEN]
        errors = {1: ("permanent", "21610"), 2: ("transient", "http_503")}
        await self.flush(store, answers(claim.fence, again, errors=errors))
        batch = await self.operate(store, Operation.ABORT)
        assert told_of(batch.counts) == {
            ACCEPTED: 1,
            Outcome.FAILED: 1,
            Outcome.ABORTED: SIZE - 2,
        }
        assert await store.verify("b1") == []

    async def test_answers_to_second_tries_after_the_end_are_told_as_they_were(
        self, store: FullStore
    ) -> None:
        """Also where the end found nobody else in the chunk."""
        await self.delivering(store, chunks=1)
        (claim,) = (await self.flush(store, claim=1)).claims
        lost = dict.fromkeys(range(SIZE), LOST)
        await self.flush(store, answers(claim.fence, [OPEN] * SIZE, errors=lost))
        batch = await self.operate(store, Operation.ABORT)
        assert told_of(batch.counts) == {Outcome.UNCERTAIN: SIZE}
        late = [ACCEPTED, Outcome.UNCERTAIN, OPEN]
        errors = {1: LOST, 2: ("transient", "http_503")}
        found = await self.flush(store, answers(claim.fence, late, errors=errors))
        assert told_of(found.counts) == {
            ACCEPTED: 1,
            Outcome.UNCERTAIN: SIZE - 2,
            Outcome.ABORTED: 1,
        }
        assert await store.verify("b1") == []

    async def test_whose_answer_is_lost_after_the_end_is_uncertain(
        self, store: FullStore
    ) -> None:
        """None is sent again any more."""
        await self.delivering(store, chunks=1)
        (claim,) = (await self.flush(store, claim=1)).claims
        await self.operate(store, Operation.ABORT)
        errors = {0: ("transient", "http_503"), 2: LOST}
        update = answers(claim.fence, [OPEN, ACCEPTED, OPEN], errors=errors)
        found = await self.flush(store, _released(update), escaped=3)
        assert told_of(found.counts) == {
            ACCEPTED: 1,
            Outcome.UNCERTAIN: 1,
            Outcome.ABORTED: SIZE - 2,
        }
        (first,) = await _all(store.chunks("b1"))
        assert first.state.errors[2] == LOST
        assert first.state.doubtful() == []
        assert await store.verify("b1") == []

    async def end_as(self, store: FullStore, outcome: Outcome) -> Batch:
        """End the batch, so that who is open has this outcome."""
        if outcome is Outcome.ABORTED:
            return await self.operate(store, Operation.ABORT)
        return await self.enter(store, Trigger.EXPIRED)

    async def test_a_flush_tells_what_limits_and_its_facts(
        self, store: FullStore
    ) -> None:
        """The fact has the counts that the same flush wrote."""
        await self.delivering(store)
        (claim,) = (await self.flush(store, claim=1)).claims
        flush = Flush(
            batch_id="b1",
            updates=(answers(claim.fence, [ACCEPTED]),),
            facts=(operations.progress(),),
            limited_by="rate",
        )
        await store.flush(ME, [flush])
        batch = await store.batch("b1")
        assert batch.limited_by == "rate"
        assert batch.state.counts[ACCEPTED] == 1

    async def test_progress_that_was_told_a_moment_ago_is_not_told_again(
        self, store: FullStore, clock: ManualClock
    ) -> None:
        """By whomever: each of many workers would tell it."""
        await self.delivering(store)
        told = Flush(batch_id="b1", facts=(operations.progress(),))
        await clock.advance(2)
        for owner in (ME, OTHER):
            await store.flush(owner, [told])
        await clock.advance(2)
        await store.flush(OTHER, [told])
        found = [e.data.get("progress") async for e in store.replay("b1")]
        assert found.count(True) == 2

    async def test_a_change_forgets_what_limits(self, store: FullStore) -> None:
        """Who said so may be dead; who lives says it again with its next flush."""
        await self.delivering(store)
        await store.flush(ME, [Flush(batch_id="b1", limited_by="rate")])
        recovered = Change(facts=(operations.note("recovered"),))
        await store.change("b1", lambda _: recovered)
        assert (await store.batch("b1")).limited_by == ""

    async def test_a_flush_serves_several_batches(self, store: FullStore) -> None:
        """In the order they were given."""
        await self.delivering(store)
        await self.created(store, "b2")
        asked = [Flush(batch_id="b2", claim=1), Flush(batch_id="b1", claim=1)]
        second, first = await store.flush(ME, asked)
        assert second.status is Status.PREPARATION_READY
        assert len(first.claims) == 1

    # Lists

    async def test_blocks_come_back_in_order(self, store: FullStore) -> None:
        """However they were added."""
        await store.add_list_blocks("l1", 0, [b"a", b"b"])
        await store.add_list_blocks("l1", 2, [b"c"])
        assert [block async for block in store.list_blocks("l1")] == [b"a", b"b", b"c"]

    async def test_a_missing_block_is_no_shorter_list(self, store: FullStore) -> None:
        """Whoever stands in it would never be written to."""
        for list_id, first in (("l1", 1), ("l2", 0)):
            await store.add_list_blocks(list_id, first, [b"a"])
            await store.add_list_blocks(list_id, 2, [b"c"])
            with pytest.raises(StoreDamaged, match=f"a block of the list {list_id}"):
                [block async for block in store.list_blocks(list_id)]

    async def test_a_list_is_discarded_unless_a_batch_uses_it(
        self, store: FullStore
    ) -> None:
        """Discarding what is not there is harmless."""
        await store.add_list_blocks("l1", 0, [b"a"])
        await store.add_list_blocks("list-b1", 0, [b"b"])
        await self.created(store)
        for list_id in ("l1", "list-b1", "none"):
            await store.discard_list(list_id)
        assert [block async for block in store.list_blocks("l1")] == []
        assert [block async for block in store.list_blocks("list-b1")] == [b"b"]

    async def test_only_old_lists_without_a_batch_are_orphans(
        self, store: FullStore, clock: ManualClock
    ) -> None:
        """One that is still coming in is none."""
        await store.add_list_blocks("old", 0, [b"a"])
        await store.add_list_blocks("list-b1", 0, [b"b"])
        await self.created(store)
        await clock.advance(3600)
        await store.add_list_blocks("new", 0, [b"c"])
        assert await store.discard_orphans(clock.now() - timedelta(minutes=1)) == 1
        assert [block async for block in store.list_blocks("old")] == []
        assert [block async for block in store.list_blocks("new")] == [b"c"]
        assert [block async for block in store.list_blocks("list-b1")] == [b"b"]
        await self.enter(store, Trigger.PREPARATION_STARTED, Trigger.SEALED)
        assert await store.discard_orphans(clock.now() - timedelta(minutes=1)) == 1
        assert [block async for block in store.list_blocks("list-b1")] == []

    # Suppressions

    async def test_suppressed_numbers_are_known_among_many(
        self, store: FullStore
    ) -> None:
        """Saying so twice is harmless."""
        many = numbers(40_000)
        assert await store.suppressed(many) == set()
        await store.suppress({many[7], many[39_999]}, "opted out")
        await store.suppress([many[7]], "again")
        assert await store.suppressed(many) == {many[7], many[39_999]}
        assert await store.suppressed([many[8]]) == set()

    async def test_a_claim_names_who_of_its_chunk_is_suppressed(
        self, store: FullStore
    ) -> None:
        """Whoever opted out meanwhile, too: each claim looks again."""
        await self.delivering(store, chunks=3)
        one, two = numbers(SIZE)[2], numbers(1, SIZE + 1)[0]
        await store.suppress([one], "opted out")
        (first,) = (await self.flush(store, claim=1)).claims
        await store.suppress([two], "unknown")
        second, third = (await self.flush(store, claim=2)).claims
        assert [c.suppressed for c in (first, second, third)] == [{2}, {1}, set()]

    async def test_a_flush_suppresses_with_what_it_stores(
        self, store: FullStore
    ) -> None:
        """Who is suppressed already keeps the first reason."""
        await self.delivering(store)
        one, two = numbers(2)
        await store.suppress([one], "opted out")
        flush = Flush(batch_id="b1", suppress=(two, one), reason="acme")
        await store.flush(ME, [flush])
        assert await store.suppressed(numbers(SIZE)) == {one, two}

    async def test_suppressions_are_listed_and_can_be_taken_back(
        self, store: FullStore, clock: ManualClock
    ) -> None:
        """The first reason and time stay; what is taken back is submitted again."""
        many = sorted(numbers(2500))
        await store.suppress(many, "opted out")
        await clock.advance(1)
        await store.suppress(many[:1], "again")
        listed = [one async for one in store.suppressions()]
        assert [one.number for one in listed] == many
        assert {one.reason for one in listed} == {"opted out"}
        assert len({one.since for one in listed}) == 1
        gone = await store.unsuppress([many[0], many[7], "+15550000000"])
        assert gone == {many[0], many[7]}
        assert await store.unsuppress([many[0]]) == set()
        assert await store.suppressed(many[:9]) == {*many[1:7], many[8]}

    async def test_whether_anybody_was_suppressed_lately_is_known(
        self, store: FullStore
    ) -> None:
        """By the time of the database, where that has one."""
        assert not await store.has_suppressed_since(600.0)
        await self.delivering(store)
        one = Flush(batch_id="b1", suppress=tuple(numbers(1)), reason="acme")
        await store.flush(ME, [one])
        assert await store.has_suppressed_since(600.0)
        assert not await store.has_suppressed_since(-600.0)

    # The event log

    async def test_events_are_numbered_and_fold_to_the_state(
        self, store: FullStore
    ) -> None:
        """Byte for byte."""
        await self.delivering(store)
        await self.operate(store, Operation.PAUSE)
        events = [event async for event in store.replay("b1")]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        state = (await store.batch("b1")).state
        assert fold(events).encode() == state.encode()
        assert await store.verify("b1") == []

    async def test_a_stored_fact_is_the_next_event(self, store: FullStore) -> None:
        """And comes back in the replay."""
        await self.created(store)
        event = await store.store("b1", operations.note("hello", count=3))
        assert (event.sequence, event.data["count"]) == (2, 3)
        assert [e async for e in store.replay("b1")][-1] == event

    async def test_many_events_are_replayed(self, store: FullStore) -> None:
        """In pages, whose seams nobody sees."""
        await self.created(store)
        facts = tuple(operations.note(str(n)) for n in range(1200))
        await store.change("b1", lambda _: Change(facts=facts))
        events = [event async for event in store.replay("b1")]
        assert [event.sequence for event in events] == list(range(1, 1202))
        assert await store.verify("b1") == []

    async def test_a_replay_until_a_time_gives_the_state_as_of_then(
        self, store: FullStore, clock: ManualClock
    ) -> None:
        """The moment itself included."""
        await self.created(store)
        then = (await store.batch("b1")).state
        moment = clock.now()
        await clock.advance(1)
        await self.operate(store, Operation.PAUSE)
        events = [event async for event in store.replay("b1", moment)]
        assert fold(events) == then
        early = moment - timedelta(seconds=1)
        assert [event async for event in store.replay("b1", early)] == []

    # Several engines

    async def test_whether_an_engine_works_here_is_known(
        self, store: FullStore
    ) -> None:
        """Beginning again is harmless."""
        assert not await store.has_engine()
        await store.become_engine(ME, LASTS_S)
        await store.become_engine(ME, LASTS_S)
        assert await store.has_engine()

    async def test_a_service_is_told_from_an_engine_that_ends_with_its_batch(
        self, store: FullStore
    ) -> None:
        """By the name; and where nobody works there is none."""
        passing = f"{PASSING}{ME}"
        await store.become_engine(passing, LASTS_S)
        assert await store.has_engine()
        assert not await store.has_service()
        await store.resign(passing)
        await store.become_engine(ME, LASTS_S)
        assert await store.has_service()
        await store.resign(ME)
        assert not await store.has_service()

    async def test_who_is_at_work_can_be_seen(
        self, store: FullStore, clock: ManualClock
    ) -> None:
        """With what it holds; not whoever was silent for too long."""
        await self.delivering(store)
        await store.become_engine(ME, LASTS_S)
        since = clock.now()
        await clock.advance(LASTS_S - 1)
        await self.flush(store, claim=2)
        (me,) = [one for one in await store.living() if one.owner == ME]
        assert (me.role, me.chunks, me.since) == ("engine", 2, since)
        assert me.heard_s == LASTS_S - 1
        assert me.process.endswith(f":{os.getpid()}")
        await store.renew(ME, LASTS_S)
        await clock.advance(LASTS_S - 1)
        assert ME in [one.owner for one in await store.living()]
        await clock.advance(1)
        assert ME not in [one.owner for one in await store.living()]

    async def test_who_is_no_engine_writes_nothing(self, store: FullStore) -> None:
        """And an engine that has resigned gives no sign of life any more."""
        await self.delivering(store)
        (claim,) = (await self.flush(store, claim=1)).claims
        await store.renew(ME, LASTS_S)
        await store.resign(ME)
        await store.resign(ME)
        with pytest.raises(StaleLease, match="worker me gave no sign"):
            await self.flush(store, answers(claim.fence, [ACCEPTED]), claim=1)
        with pytest.raises(StaleLease):
            await store.renew(ME, LASTS_S)
        assert (await store.batch("b1")).counts[ACCEPTED] == 0
        assert len(await _all(store.chunks("b1", is_leased=True))) == 1

    async def test_what_the_dead_held_is_found_and_taken_back_once(
        self, store: FullStore
    ) -> None:
        """Two may try; of what the living hold nobody takes anything."""
        await self.delivering(store, chunks=3)
        await self.flush(store, claim=2)
        await self.flush(store, claim=1, owner=OTHER)
        assert await store.bury() == []
        await store.resign(ME)
        assert await store.bury() == ["b1"]
        lost = await _all(store.lost_chunks("b1"))
        assert [chunk.number for chunk in lost] == [0, 1]
        await self.take_back(store, lost)
        with pytest.raises(StaleBatch, match="another worker took these chunks back"):
            await self.take_back(store, lost)
        assert await store.bury() == []
        assert await _all(store.lost_chunks("b1")) == []
        leased = await _all(store.chunks("b1", is_leased=True))
        assert [chunk.number for chunk in leased] == [2]
        assert (await self.flush(store, claim=3, owner=OTHER)).claims[0].fence == 2
        notes = [e async for e in store.replay("b1") if e.type is EventType.NOTE]
        assert len(notes) == 1
        assert await store.verify("b1") == []

    async def test_one_worker_prepares_a_batch(self, store: FullStore) -> None:
        """Until it ceases; what another writes meanwhile is refused."""
        await self.created(store)
        await self.enter(store, Trigger.PREPARATION_STARTED)
        assert await store.begin_preparing("b1", ME)
        assert await store.begin_preparing("b1", ME)
        assert not await store.begin_preparing("b1", OTHER)
        with pytest.raises(StaleLease, match="another worker"):
            await store.write_prepared("b1", OTHER, [new_chunk(0)])
        await store.cease_preparing("b1", OTHER)
        assert (await store.batch("b1")).prepared_by == ME
        await store.cease_preparing("b1", ME)
        with pytest.raises(StaleLease):
            await store.write_prepared("b1", ME, [])
        assert await store.begin_preparing("b1", OTHER)
        assert (await store.batch("b1")).counts[OPEN] == 0

    async def test_what_a_dead_worker_prepared_another_goes_on_with(
        self, store: FullStore
    ) -> None:
        """Once it is known to be dead."""
        await self.prepared(store)
        for owner in (ME, OTHER):
            await store.become_engine(owner, LASTS_S)
        await store.bury()
        assert not await store.begin_preparing("b1", OTHER)
        await store.resign(ME)
        await store.bury()
        assert await store.begin_preparing("b1", OTHER)

    async def test_opening_again_changes_nothing(self, store: FullStore) -> None:
        """Idempotent."""
        await self.created(store)
        await store.open()
        assert _ids(await store.batches()) == ["b1"]

    # Shared rates

    async def test_slots_of_a_rate_are_reserved_in_one_line(
        self, store: FullStore
    ) -> None:
        """Whoever asks; further ahead than a moment nobody gets any."""
        grants = [await self.reserve(store, most=1000) for _ in range(3)]
        first, second, third = grants
        assert first.parts >= AHEAD_S * SLOW.parts_per_s
        assert second.parts <= 1 >= third.parts
        assert third.wait_s >= 0
        ends_at = first.starts_at_s + first.parts / SLOW.parts_per_s
        assert second.starts_at_s >= ends_at - 1e-5

    async def test_pacers_do_not_hold_each_other_up(self, store: FullStore) -> None:
        """Several are asked in one transaction."""
        await self.reserve(store, most=1000)
        asks = [Ask(name=n, least=5, most=5, rate=SLOW) for n in ("z", "batch/b1")]
        grants = await store.reserve(asks)
        assert {g.name: g.parts for g in grants} == {"z": 5, "batch/b1": 5}

    async def test_a_rate_that_is_set_holds_for_everybody(
        self, store: FullStore
    ) -> None:
        """Instead of that of the settings, until it is taken back."""
        name, fast = of_provider("acme"), Rate(parts_per_s=5000.0, burst=50.0)
        assert (await store.rates()).rates == {}
        await store.set_rate(name, fast)
        assert (await store.rates()).rates == {name: fast}
        assert (await self.reserve(store)).rate == fast
        await store.set_rate(name, Rate(parts_per_s=0.0))
        assert (await self.reserve(store)).parts == 0
        await store.set_rate(name, None)
        assert (await store.rates()).rates == {}
        assert (await self.reserve(store)).rate == SLOW

    async def test_a_rate_of_next_to_nothing_is_kept_as_any_other(
        self, store: FullStore
    ) -> None:
        """When its next slot comes, no database can say."""
        asked = Ask(name="p", least=1, most=1, rate=Rate(parts_per_s=1e-15))
        grants = [(await store.reserve([asked]))[0] for _ in range(3)]
        assert [one.parts for one in grants] == [1, 1, 0]  # a burst is two

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


def _released(update: ChunkUpdate) -> ChunkUpdate:
    return msgspec.structs.replace(update, is_released=True)


def _enter(trigger: Trigger, batch: Batch) -> Change:
    return operations.enter(batch, trigger, batch.spec.created_at)


async def _all(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in chunks]


def _ids(batches: Sequence[Batch]) -> list[str]:
    return [batch.spec.batch_id for batch in batches]
