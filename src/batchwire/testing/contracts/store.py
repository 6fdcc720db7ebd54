"""What every store must do (``ports.store``, ``ports.event_store``)."""

from datetime import timedelta
from functools import partial

import pytest

from batchwire.domain import operations
from batchwire.domain.batch import Batch
from batchwire.domain.counts import count
from batchwire.domain.events import EventType, fold
from batchwire.domain.ledger import segment
from batchwire.domain.lifecycle import Operation, Phase, Status, Trigger
from batchwire.domain.operations import Change, Command
from batchwire.domain.outcome import Outcome
from batchwire.errors import (
    BatchConflict,
    IllegalOperation,
    StoreDamaged,
    UnknownBatch,
)
from batchwire.ports.store import (
    Flush,
    NewChunk,
    Rewrite,
)
from batchwire.testing.builders import FullStore, create, numbers, spec
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_delivery import DeliveryContract
from batchwire.testing.contracts.store_engines import EnginesContract
from batchwire.testing.contracts.store_steps import (
    ME,
    OPEN,
    SIZE,
    entering,
    ids_of,
    new_chunk,
    pause,
    payload,
)


class StoreContract(DeliveryContract, EnginesContract):
    """
    Inherit, name the subclass ``Test…``, give it the fixtures ``store`` and ``clock``.

    ``store`` is open and empty, closed afterwards by the fixture, and takes its times
    from ``clock``.
    """

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
        assert ids_of(await store.batches()) == ["b3", "b2", "b1"]
        assert ids_of(await store.batches(limit=2)) == ["b3", "b2"]
        ready = await store.batches({Status.PREPARATION_READY})
        assert ids_of(ready) == ["b3", "b2"]

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

    async def test_who_stands_twice_is_found_over_all_looks(
        self, store: FullStore
    ) -> None:
        """However a number comes again; what is flawed is no number."""
        async with store.repeats() as one, store.repeats() as other:
            one.add(["+4478100", "+4478101", "+4478100", "no number"], [3])
            one.add(["+4478102", "no number", "+4478101"], [1])
            assert await one.look() == [2, 6]
            one.add(["+4478103", "+4478103", "+4478102", "+4478103"], [])
            first, last = one.look(), one.look()
            assert (await first, await last) == ([1, 2, 3], [])
            other.add(["+4478100"], [])
            assert await other.look() == []

    async def test_chunks_are_read_in_order(self, store: FullStore) -> None:
        """However many there are."""
        await self.prepared(store, chunks=40)
        read = [chunk async for chunk in store.chunks("b1")]
        assert [chunk.number for chunk in read] == list(range(40))
        assert [chunk.payload for chunk in read] == [payload(n) for n in range(40)]

    async def test_a_rewrite_moves_the_counts(self, store: FullStore) -> None:
        """With the change that asks for it."""
        await self.prepared(store)
        failed = segment(0, 0, [(0, Outcome.FAILED, 1)])
        rewrite = Rewrite(
            number=1,
            segments=(failed,),
            counts=count(bytes([Outcome.FAILED, 0, 0, 0])),
        )
        batch = await store.change(
            "b1", partial(entering, Trigger.SEALED), rewrites=[rewrite]
        )
        assert batch.counts[Outcome.FAILED] == 1
        assert batch.counts[OPEN] == 2 * SIZE - 1
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
