"""What every store must do in delivery (``ports.store``)."""

import pytest

from batchwire.domain import operations
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.operations import Change
from batchwire.domain.outcome import Outcome
from batchwire.ports.store import (
    ChunkUpdate,
    Flush,
)
from batchwire.testing.builders import FullStore
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import (
    ACCEPTED,
    LASTS_S,
    LOST,
    ME,
    OPEN,
    OTHER,
    SIZE,
    StoreSteps,
    all_of,
    answers,
    payload,
    released,
    told_of,
)


class DeliveryContract(StoreSteps):
    """Claims, answers, intents, and what is told of them."""

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
        await self.take_back(store, await all_of(store.lost_chunks("b1")))
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
        await self.flush(store, released(told) if is_released else told)
        batch = await self.end_as(store, ended)
        assert told_of(batch.counts) == {
            ACCEPTED: 1,
            Outcome.UNCERTAIN: 1,
            ended: 2 * SIZE - 2,
        }
        assert batch.state.counts == batch.counts
        first, second = await all_of(store.chunks("b1"))
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
        found = await self.flush(store, released(update), escaped=3)
        assert told_of(found.counts) == {
            ACCEPTED: 1,
            Outcome.UNCERTAIN: 1,
            Outcome.ABORTED: SIZE - 2,
        }
        (first,) = await all_of(store.chunks("b1"))
        assert first.state.errors[2] == LOST
        assert first.state.doubtful() == []
        assert await store.verify("b1") == []

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
