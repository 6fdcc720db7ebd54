"""Group commit: one transaction for what is ready, in order, however often it fails."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.events.world import World

from batchwire.adapters.sql.event_doors import SqlInbox
from batchwire.errors import StoreBusy, StoreDamaged, StoreError, StoreInDoubt
from batchwire.events.arrivals import receive
from batchwire.events.committer import Committer, Settled
from batchwire.events.lanes import Item
from batchwire.ports.inbox import Applied, Arrival, Effect, Handled
from batchwire.testing.events import record, update


class Watched(SqlInbox):
    """An inbox that counts its transactions and fails as it is told."""

    def tell(self, *errors: StoreError) -> None:
        """Say which errors come first."""
        self.errors = list(errors)
        self.groups: list[int] = []

    async def apply(self, work: Sequence[tuple[Arrival, Effect]]) -> list[Applied]:
        """Count, fail, or do it."""
        self.groups.append(len(work))
        if self.errors:
            raise self.errors.pop(0)
        return await super().apply(work)


def item(number: int) -> Item:
    one = record("batch_status_update", update(f"b{number}"), ce_id=f"e{number}")
    return Item(receive(one), b"b%d" % number)


def alone(_: int) -> bool:
    """Say that nothing more comes."""
    return False


@pytest.mark.parametrize(
    "errors",
    [(), (StoreBusy("a"), StoreBusy("b")), (StoreInDoubt("c"),)],
    ids=["well", "busy twice", "in doubt"],
)
async def test_effects_are_settled_in_order_in_groups(
    world: World, errors: tuple[StoreError, ...]
) -> None:
    inbox = Watched(world.database, world.clock)
    inbox.tell(*errors)
    settled: list[str] = []

    def note(group: Sequence[Settled]) -> None:
        for one, effect, applied in group:
            assert (effect, applied) == (Handled(), Applied.DONE)
            settled.append(one.received.event_id)

    committer = Committer(inbox, world.clock, "group", note, alone)
    running = asyncio.create_task(committer.run())
    for number in range(1200):
        committer.add(item(number), Handled())
    await world.passing(lambda: len(settled) == 1200)
    assert settled == [f"e{number}" for number in range(1200)]
    assert inbox.groups == [500] * (len(errors) + 2) + [200]
    running.cancel()


async def test_a_commit_in_doubt_that_was_done_has_no_second_effect(
    world: World,
) -> None:
    class Doubtful(Watched):
        async def apply(self, work: Sequence[tuple[Arrival, Effect]]) -> list[Applied]:
            found = await SqlInbox.apply(self, work)
            if self.errors:
                raise self.errors.pop(0)
            return found

    inbox, settled = Doubtful(world.database, world.clock), list[Applied]()
    inbox.tell(StoreInDoubt("who knows"))
    committer = Committer(
        inbox,
        world.clock,
        "group",
        lambda group: settled.extend(applied for _, _, applied in group),
        alone,
    )
    running = asyncio.create_task(committer.run())
    committer.add(item(1), Handled())
    await world.passing(lambda: bool(settled))
    assert settled == [Applied.DUPLICATE]
    running.cancel()


async def test_a_group_waits_for_what_arrives_until_no_more_can(world: World) -> None:
    inbox = Watched(world.database, world.clock)
    inbox.tell()
    committer = Committer(
        inbox, world.clock, "group", lambda _: None, lambda count: count < 3
    )
    running = asyncio.create_task(committer.run())
    for number in range(3):
        committer.add(item(number), Handled())
        await asyncio.sleep(0)
    committer.hurry()
    await world.passing(lambda: bool(inbox.groups))
    assert inbox.groups == [3]
    running.cancel()


async def test_a_database_that_cannot_be_used_ends_it(world: World) -> None:
    inbox = Watched(world.database, world.clock)
    inbox.tell(StoreDamaged("broken"))
    committer = Committer(inbox, world.clock, "group", lambda *_: None, alone)
    committer.add(item(1), Handled())
    with pytest.raises(StoreDamaged):
        await asyncio.wait_for(committer.run(), 10)
