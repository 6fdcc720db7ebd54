"""What every store must do where several engines work on it (``ports.workers``)."""

import os

import pytest

from batchwire.domain.events import EventType
from batchwire.domain.lifecycle import Trigger
from batchwire.domain.rationing import AHEAD_S, Ask, Rate, of_provider
from batchwire.errors import (
    StaleBatch,
    StaleLease,
)
from batchwire.ports.workers import PASSING
from batchwire.testing.builders import FullStore
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import (
    ACCEPTED,
    LASTS_S,
    ME,
    OPEN,
    OTHER,
    SLOW,
    StoreSteps,
    all_of,
    answers,
    ids_of,
    new_chunk,
)


class EnginesContract(StoreSteps):
    """Who is at work, who is dead, and what they share."""

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
        assert len(await all_of(store.chunks("b1", is_leased=True))) == 1

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
        lost = await all_of(store.lost_chunks("b1"))
        assert [chunk.number for chunk in lost] == [0, 1]
        await self.take_back(store, lost)
        with pytest.raises(StaleBatch, match="another worker took these chunks back"):
            await self.take_back(store, lost)
        assert await store.bury() == []
        assert await all_of(store.lost_chunks("b1")) == []
        leased = await all_of(store.chunks("b1", is_leased=True))
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
        assert ids_of(await store.batches()) == ["b1"]

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
