"""Dead letters in the database, on both databases: kept once, redriven in order."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest

from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.event_doors import SqlDeadLetters, SqlInbox, SqlOutbox
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.dead_letter import Disposition
from batchwire.domain.observed import Report
from batchwire.domain.record import Place, Record
from batchwire.errors import MalformedMessage, StoreBusy
from batchwire.events.arrivals import receive
from batchwire.ports.dead_letters import Filter, Portion, Redrive
from batchwire.ports.inbox import Applied, Arrival, Bury, Effect, Handled, Observe
from batchwire.testing.builders import create, spec
from batchwire.testing.clock import ManualClock

GROUP = "group"
HOW = Redrive(by="eve", most_replays=2, most=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """All doors that a dead letter comes and goes through."""

    store: SqlStore
    inbox: SqlInbox
    outbox: SqlOutbox
    letters: SqlDeadLetters

    async def apply(
        self, record: Record, effect: Effect, *, group: str = GROUP
    ) -> Applied:
        """Consume a record with an effect."""
        received = receive(record)
        arrival = Arrival(
            consumer=group,
            event_id=received.event_id,
            batch_id=received.batch_id,
            record=record,
        )
        return (await self.inbox.apply([(arrival, effect)]))[0]

    async def bury(self, *records: Record, group: str = GROUP) -> None:
        """Give records up, and forget their copies."""
        for record in records:
            assert await self.apply(record, BURY, group=group) is Applied.DONE
        await self.published()

    async def redrive(self, *ids: int, how: Redrive = HOW) -> Portion:
        """Redrive letters; all that wait where none is named."""
        return await self.letters.redrive(Filter(ids=ids), how)

    async def published(self) -> list[Record]:
        """Publish what waits; returns it."""
        await self.outbox.lease("relay")
        pending = await self.outbox.pending("relay", 1000)
        await self.outbox.done("relay", pending)
        return [one.outgoing.record for one in pending]

    async def come_back(self, offset: int = 1000) -> list[Record]:
        """Publish what waits, and read it from its new places."""
        return [
            msgspec.structs.replace(record, place=Place("t", 0, offset + n))
            for n, record in enumerate(await self.published())
        ]


BURY = Bury(
    disposition=Disposition.MALFORMED,
    message="no",
    topic="t",
    dead_letter_topic="t.dlq",
    deliveries=2,
)


def record(batch_id: str = "b1", ce_id: str = "e1", offset: int = 1) -> Record:
    """Make an operation's record; without ``ce_id`` its place identifies it."""
    body = {"batch_id": batch_id, "operation": "pause"}
    headers = (("ce_id", ce_id.encode()),) if ce_id else ()
    return Record(
        key=batch_id.encode(),
        value=msgspec.json.encode(body),
        headers=headers,
        place=Place("t", 0, offset),
    )


def garbage(batch_id: str = "b1", offset: int = 1) -> Record:
    """Make what nobody can read."""
    return Record(key=batch_id.encode(), value=b"{", place=Place("t", 0, offset))


@pytest.fixture
async def doors(database: Database, clock: ManualClock) -> AsyncIterator[Doors]:
    await database.open()
    yield Doors(
        store=SqlStore(database, clock),
        inbox=SqlInbox(database, clock),
        outbox=SqlOutbox(database, clock),
        letters=SqlDeadLetters(database, clock),
    )
    await database.close()


class _DeadLetters:
    """What an operator and a consumer may rely on."""

    async def test_a_redriven_letter_is_the_record_as_it_was(
        self, doors: Doors
    ) -> None:
        await doors.bury(record())
        assert (await doors.redrive()).sent == (1,)
        [back] = await doors.come_back()
        assert (back.key, back.value) == (record().key, record().value)
        assert dict(back.headers)["ce_id"] == b"e1"
        assert dict(back.headers)["x-dlq-replay-count"] == b"1"

    async def test_redriven_twice_it_has_its_effect_once(self, doors: Doors) -> None:
        await doors.bury(record())
        await doors.redrive()
        assert (await doors.redrive()).sent == ()
        [back] = await doors.come_back()
        assert await doors.apply(back, Handled()) is Applied.DONE
        assert await doors.apply(back, Handled()) is Applied.DUPLICATE

    async def test_a_letter_that_waits_is_not_handled_when_it_is_delivered_again(
        self, doors: Doors
    ) -> None:
        await doors.bury(record())
        assert await doors.apply(record(), Handled()) is Applied.DUPLICATE

    async def test_a_letter_of_one_group_is_not_in_the_way_of_another(
        self, doors: Doors
    ) -> None:
        await doors.bury(record())
        assert await doors.apply(record(), Handled(), group="g2") is Applied.DONE

    @pytest.mark.parametrize(
        "first", [record(), record(ce_id=""), garbage()], ids=["ce_id", "place", "none"]
    )
    async def test_what_fails_again_keeps_its_letter_and_its_counts(
        self, doors: Doors, first: Record
    ) -> None:
        await doors.bury(first)
        await doors.redrive()
        [back] = await doors.come_back()
        assert await doors.apply(back, BURY) is Applied.DONE
        [letter] = await doors.letters.find(Filter())
        assert (letter.id, letter.deliveries, letter.replays) == (1, 4, 1)
        assert letter.record == first
        assert letter.redriven_at is None
        [copy] = await doors.published()
        assert dict(copy.headers)["x-dlq-replay-count"] == b"1"
        assert dict(copy.headers)["__dlq.errors.delivery.count"] == b"4"

    async def test_what_can_be_read_after_its_redrive_is_still_the_same_letter(
        self, doors: Doors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The program was mended, and found the ce_id; but it failed all the same."""
        with monkeypatch.context() as broken:
            broken.setattr("batchwire.messages.codec.read_header", _raising)
            await doors.bury(record())
            [letter] = await doors.letters.find(Filter())
            assert letter.event_id == "t:0:1"
        await doors.redrive()
        [back] = await doors.come_back()
        assert await doors.apply(back, BURY) is Applied.DONE
        assert await doors.apply(back, BURY) is Applied.DUPLICATE
        [letter] = await doors.letters.find(Filter(include_redriven=True))
        assert (letter.event_id, letter.replays) == ("e1", 1)

    async def test_a_later_letter_never_goes_before_an_earlier_one(
        self, doors: Doors
    ) -> None:
        await doors.bury(
            record(ce_id="e1"), record(ce_id="e2"), record("b2", ce_id="e3")
        )
        assert await doors.redrive(2, 3) == Portion(sent=(3,), held=(2,), last=3)
        assert (await doors.redrive(1, 2)).sent == (1, 2)
        ids = [dict(one.headers)["ce_id"] for one in await doors.published()]
        assert ids == [b"e3", b"e1", b"e2"]

    async def test_order_holds_over_portions(self, doors: Doors) -> None:
        await doors.bury(*(record(ce_id=f"e{n}") for n in range(5)))
        few = msgspec.structs.replace(HOW, most=2)
        portion = await doors.redrive(2, 3, 4, 5, how=few)
        assert (portion.held, portion.last) == ((2, 3), 3)
        await doors.letters.discard(Filter(ids=(1,)), "eve", "useless")
        after = msgspec.structs.replace(few, after=3)
        assert (await doors.redrive(2, 3, 4, 5, how=after)).held == (4, 5)
        assert (await doors.redrive(2, 3, 4, 5)).sent == (2, 3, 4, 5)

    async def test_letters_without_a_batch_hold_nobody_up(self, doors: Doors) -> None:
        await doors.bury(garbage("", 1), garbage("", 2))
        assert (await doors.redrive(2)).sent == (2,)

    async def test_a_letter_that_came_back_too_often_is_quarantined(
        self, doors: Doors
    ) -> None:
        await doors.bury(record())
        for offset in (10, 20):
            assert (await doors.redrive()).sent == (1,)
            [back] = await doors.come_back(offset)
            await doors.bury(back)
        await doors.bury(record(ce_id="e2"))
        assert await doors.redrive() == Portion(quarantined=(1,), held=(2,), last=2)
        assert await doors.published() == []

    async def test_of_two_who_redrive_at_once_one_sends_each_letter(
        self, doors: Doors
    ) -> None:
        await doors.bury(*(record(ce_id=f"e{n}") for n in range(20)))
        both = await asyncio.gather(doors.redrive(), doors.redrive())
        assert sorted(id_ for one in both for id_ in one.sent) == list(range(1, 21))
        ids = [dict(one.headers)["ce_id"] for one in await doors.published()]
        assert ids == [f"e{n}".encode() for n in range(20)]

    async def test_a_redrive_that_breaks_off_sends_nothing(
        self, doors: Doors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await doors.bury(record(ce_id="e1"), record(ce_id="e2"))
        with monkeypatch.context() as broken:
            broken.setattr("batchwire.adapters.sql.notes.append", _breaking_off)
            with pytest.raises(StoreBusy):
                await doors.redrive()
        assert await doors.published() == []
        assert (await doors.redrive()).sent == (1, 2)

    async def test_a_dry_run_says_what_a_redrive_does(self, doors: Doors) -> None:
        await doors.bury(*(record(ce_id=f"e{n}") for n in range(3)))
        dry = msgspec.structs.replace(HOW, is_dry_run=True, most=2)
        assert (await doors.redrive(how=dry)).sent == (1, 2)
        later = msgspec.structs.replace(dry, after=2)
        assert (await doors.redrive(how=later)).sent == (3,)
        assert await doors.published() == []
        assert await doors.letters.count() == 3

    async def test_who_redrove_stands_in_the_log_of_the_batch(
        self, doors: Doors
    ) -> None:
        await create(doors.store, spec("b1"))
        seen = Observe(Report(status="x"))
        assert await doors.apply(record("b2", "e0"), seen) is Applied.DONE
        await doors.bury(record("b1", "e1"), record("b2", "e2"), record("b3", "e3"))
        await doors.redrive()
        for batch_id, number in (("b1", 1), ("b2", 2)):
            events = [event async for event in doors.store.replay(batch_id)]
            note = {"note": "dead_letters_redriven", "letters": [number], "by": "eve"}
            assert events[-1].data == note
            assert await doors.store.verify(batch_id) == []
        [letter] = await doors.letters.find(
            Filter(batch_id="b3", include_redriven=True)
        )
        assert letter.redriven_by == "eve"

    async def test_a_discarded_letter_counts_as_handled(self, doors: Doors) -> None:
        await doors.bury(record())
        assert await doors.letters.discard(Filter(), "eve", "useless") == [1]
        assert await doors.letters.discard(Filter(), "eve", "useless") == []
        assert await doors.apply(record(), Handled()) is Applied.DUPLICATE

    async def test_a_redriven_letter_that_never_came_back_is_forgotten_in_time(
        self, doors: Doors, clock: ManualClock
    ) -> None:
        await doors.bury(record("b1", "e1"), record("b2", "e2"))
        await doors.redrive(1)
        await clock.advance(60)
        await doors.inbox.purge(clock.now(), 100)
        left = await doors.letters.find(Filter(include_redriven=True))
        assert [one.id for one in left] == [2]

    async def test_letters_are_found_by_what_is_known_of_them(
        self, doors: Doors, clock: ManualClock
    ) -> None:
        await doors.bury(record("b1", "e1"))
        await clock.advance(60)
        await doors.bury(record("b2", "e2"))
        for wanted, ids in (
            (Filter(batch_id="b2"), [2]),
            (Filter(since=clock.now()), [2]),
            (Filter(disposition=Disposition.CONFLICT), []),
            (Filter(ids=(1,)), [1]),
        ):
            assert [one.id for one in await doors.letters.find(wanted)] == ids
        assert [one.id for one in await doors.letters.find(Filter(), 1)] == [1]


def _breaking_off(*_: object) -> None:
    raise StoreBusy("test")


def _raising(*_: object) -> str:
    raise MalformedMessage("", "cannot be read yet")


class TestOnSqlite(_DeadLetters):
    """Run on a file."""


class TestOnPostgres(_DeadLetters):
    """Run on a server."""

    @pytest.fixture
    def database(self, postgres_url: str) -> PostgresDatabase:
        """Give the server's."""
        return PostgresDatabase(postgres_url)
