"""What every inbox must do (``ports.inbox``)."""

import asyncio
from datetime import datetime, timedelta

from batchwire.domain.dead_letter import Disposition
from batchwire.domain.observed import Announcement, Report
from batchwire.domain.record import Record
from batchwire.ports.inbox import (
    Announce,
    Applied,
    Arrival,
    Bury,
    Effect,
    Handled,
    Inbox,
    Note,
    Observe,
    Park,
)
from batchwire.testing.clock import ManualClock


def arrival(
    event_id: str, batch_id: str = "b1", *, parked_id: int = 0, consumer: str = "group"
) -> Arrival:
    """Make a consumed event, and its record."""
    record = Record(key=batch_id.encode(), value=event_id.encode())
    return Arrival(
        consumer=consumer,
        event_id=event_id,
        batch_id=batch_id,
        record=record,
        parked_id=parked_id,
    )


def bury(message: str = "broken") -> Bury:
    """Make the effect of a dead letter."""
    return Bury(
        disposition=Disposition.MALFORMED,
        message=message,
        topic="topic",
        dead_letter_topic="topic.dlq",
    )


def observe(at: datetime, status: str = "delivery_running") -> Observe:
    """Make the effect of a status update."""
    return Observe(Report(status=status, at=at))


async def applied(inbox: Inbox, *work: tuple[Arrival, Effect]) -> list[Applied]:
    """Apply in one group."""
    return await inbox.apply(list(work))


class InboxContract:
    """
    Inherit, name the subclass ``Test…``, give it the fixtures ``inbox`` and ``clock``.

    ``inbox`` is empty and takes its times from ``clock``.
    """

    async def test_an_event_has_its_effect_once(
        self, inbox: Inbox, clock: ManualClock
    ) -> None:
        """In one group, in two, and with another effect."""
        work = (arrival("e1"), observe(clock.now()))
        assert await applied(inbox, work, work) == [Applied.DONE, Applied.DUPLICATE]
        assert await applied(inbox, work) == [Applied.DUPLICATE]
        assert await applied(inbox, (arrival("e1"), bury())) == [Applied.DUPLICATE]

    async def test_each_consumer_has_it_once(self, inbox: Inbox) -> None:
        """Groups do not know of each other."""
        for consumer in ("one", "two"):
            work = (arrival("e1", consumer=consumer), Handled())
            assert await applied(inbox, work) == [Applied.DONE]

    async def test_two_that_apply_one_event_at_once_have_one_effect(
        self, inbox: Inbox, clock: ManualClock
    ) -> None:
        """Both made the observed batch, or met in the inbox; one of them was first."""
        work = [
            [
                (arrival(f"e{n}-{m}", f"b{m}"), observe(clock.now()))
                for n in range(20)
                for m in range(3)
            ]
            for _ in range(4)
        ]
        results = await asyncio.gather(*(inbox.apply(one) for one in work))
        for one in zip(*results, strict=True):
            assert sorted(one) == ["duplicate"] * 3 + ["ok"]

    async def test_an_older_report_is_stale(
        self, inbox: Inbox, clock: ManualClock
    ) -> None:
        """It is handled all the same: the next time it is a duplicate."""
        old = (arrival("e2"), observe(clock.now() - timedelta(seconds=1)))
        new = (arrival("e1"), observe(clock.now()))
        assert await applied(inbox, new, old) == [Applied.DONE, Applied.STALE]
        assert await applied(inbox, old) == [Applied.DUPLICATE]

    async def test_a_note_on_an_unknown_batch_writes_nothing(
        self, inbox: Inbox
    ) -> None:
        """So that it can be parked."""
        work = (arrival("e1"), Note({"operation": "pause"}))
        assert await applied(inbox, work, work) == [Applied.UNKNOWN, Applied.UNKNOWN]

    async def test_a_parked_event_comes_when_it_is_due(
        self, inbox: Inbox, clock: ManualClock
    ) -> None:
        """As it was, with its attempts; and once more, until it is handled."""
        due_at = clock.now() + timedelta(seconds=5)
        work = (arrival("e1"), Park(due_at, "why"))
        assert await applied(inbox, work) == [Applied.DONE]
        first_at = clock.now()
        assert await inbox.due("group", 10) == []
        await clock.advance(5)
        assert await inbox.due("other", 10) == []
        (parked,) = await inbox.due("group", 10)
        assert (parked.event_id, parked.batch_id, parked.reason) == ("e1", "b1", "why")
        assert (parked.record.value, parked.attempts) == (b"e1", 0)
        assert parked.first_at == first_at
        again = arrival("e1", parked_id=parked.parked_id)
        later = clock.now() + timedelta(seconds=5)
        assert await applied(inbox, (again, Park(later, "again", 3))) == [Applied.DONE]
        await clock.advance(5)
        (parked,) = await inbox.due("group", 10)
        assert (parked.attempts, parked.reason) == (3, "again")
        assert parked.first_at == first_at
        assert await applied(inbox, (again, Handled())) == [Applied.DONE]
        assert await inbox.due("group", 10) == []
        assert await applied(inbox, (again, Handled())) == [Applied.DUPLICATE]

    async def test_later_events_of_a_parked_batch_wait_behind_it(
        self, inbox: Inbox, clock: ManualClock
    ) -> None:
        """One after another, in their order; other batches go on."""
        at = clock.now()
        first = (arrival("e0"), observe(at))
        park = (arrival("e1"), Park(at, "why"))
        assert await applied(inbox, first, park) == [Applied.DONE, Applied.DONE]
        behind = [(arrival(f"e{n}"), observe(at)) for n in (2, 3)]
        other = (arrival("x", "b2"), observe(at))
        found = await applied(inbox, behind[0], other, behind[1])
        assert found == [Applied.PARKED, Applied.DONE, Applied.PARKED]
        assert await applied(inbox, behind[0]) == [Applied.DUPLICATE]
        for event_id in ("e1", "e2", "e3"):
            assert await inbox.is_waiting("group", "b1")
            (parked,) = await inbox.due("group", 10)
            assert parked.event_id == event_id
            turn = arrival(event_id, parked_id=parked.parked_id)
            assert await applied(inbox, (turn, observe(at))) == [Applied.DONE]
        assert not await inbox.is_waiting("group", "b1")
        last = (arrival("e4"), observe(at))
        assert await applied(inbox, last) == [Applied.DONE]

    async def test_what_makes_a_batch_does_not_wait_for_what_waits_for_it(
        self, inbox: Inbox, clock: ManualClock
    ) -> None:
        """Neither an announcement, nor a first report, nor a request that was taken."""
        at = clock.now()
        makers: list[Effect] = [Announce(Announcement()), observe(at), Handled()]
        for number, maker in enumerate(makers):
            batch_id = f"b{number}"
            early = (arrival(f"early{number}", batch_id), Park(at, "no such batch"))
            assert await applied(inbox, early) == [Applied.DONE]
            made = (arrival(f"made{number}", batch_id), maker)
            assert await applied(inbox, made) == [Applied.DONE]
        later = (arrival("later", "b0"), observe(at))
        assert await applied(inbox, later) == [Applied.PARKED]

    async def test_two_that_have_one_parked_event_handle_it_once(
        self, inbox: Inbox, clock: ManualClock
    ) -> None:
        """Two processes look at the same table."""
        await applied(inbox, (arrival("e1"), Park(clock.now(), "why")))
        (parked,) = await inbox.due("group", 10)
        again = (arrival("e1", parked_id=parked.parked_id), observe(clock.now()))
        found = await asyncio.gather(*(applied(inbox, again) for _ in range(4)))
        assert sorted(one for (one,) in found) == ["duplicate"] * 3 + ["ok"]

    async def test_a_dead_letter_is_buried_once(self, inbox: Inbox) -> None:
        """Texts that a record may bring are no obstacle."""
        odd = Arrival(
            consumer="group",
            event_id="topic:0:1",
            batch_id="\ufffd",
            record=Record(key=b"\xff\0", value=b"\0", headers=(("\u00e9", None),)),
        )
        assert await applied(inbox, (odd, bury())) == [Applied.DONE]
        assert await applied(inbox, (odd, bury())) == [Applied.DUPLICATE]

    async def test_old_events_are_forgotten_in_portions(
        self, inbox: Inbox, clock: ManualClock
    ) -> None:
        """And may have an effect again, which the batch's version then guards."""
        work = [(arrival(f"e{n}"), Handled()) for n in range(5)]
        await inbox.apply(work)
        await clock.advance(10)
        await inbox.apply([(arrival("new"), Handled())])
        assert await inbox.purge(clock.now(), 3) == 3
        assert await inbox.purge(clock.now(), 3) == 2
        assert await inbox.purge(clock.now(), 3) == 0
        assert await applied(inbox, (arrival("e0"), Handled())) == [Applied.DONE]
        assert await applied(inbox, (arrival("new"), Handled())) == [Applied.DUPLICATE]
