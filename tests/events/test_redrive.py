"""Redriving many: in portions, at a rate, counted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchwire.adapters.memory.metrics import MemoryMetrics
from batchwire.adapters.sql.event_doors import SqlDeadLetters, SqlInbox, SqlOutbox
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.domain.dead_letter import Disposition
from batchwire.domain.metric_list import DEAD_LETTERS_REDRIVEN
from batchwire.domain.record import Place, Record
from batchwire.events.redrive import Redriver
from batchwire.ports.dead_letters import Filter
from batchwire.ports.inbox import Arrival, Bury
from batchwire.testing.clock import ManualClock

MANY = 450  # more than two portions
BURY = Bury(
    disposition=Disposition.CONFLICT, message="no", topic="t", dead_letter_topic="d"
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """Keep many dead letters of ten batches."""
    database = SqliteDatabase(str(tmp_path / "batchwire.db"))
    await database.open()
    work = [
        (
            Arrival(
                consumer="group",
                event_id=f"e{n}",
                batch_id=f"b{n % 10}",
                record=Record(key=b"b", value=b"{}", place=Place("t", 0, n)),
            ),
            BURY,
        )
        for n in range(MANY)
    ]
    await SqlInbox(database, ManualClock()).apply(work)
    yield database
    await database.close()


def redriver(
    database: SqliteDatabase, clock: ManualClock, metrics: MemoryMetrics | None = None
) -> Redriver:
    letters = SqlDeadLetters(database, clock)
    return Redriver(letters, clock, metrics or MemoryMetrics(), max_replays=3)


async def test_many_go_in_portions_and_are_counted(database: SqliteDatabase) -> None:
    clock, metrics = ManualClock(), MemoryMetrics()
    done = await redriver(database, clock, metrics).redrive(Filter(), "eve")
    assert done.sent == list(range(1, MANY + 1))
    assert done.is_complete
    assert metrics.value(DEAD_LETTERS_REDRIVEN, outcome="sent") == MANY
    depth = await SqlOutbox(database, clock).depth()
    assert depth.rows == 2 * MANY  # and their copies


async def test_a_dry_run_tells_the_same_and_counts_nothing(
    database: SqliteDatabase,
) -> None:
    metrics = MemoryMetrics()
    one = redriver(database, ManualClock(), metrics)
    wanted = Filter(ids=tuple(range(11, MANY + 1)))
    dry = await one.redrive(wanted, "eve", is_dry_run=True)
    assert metrics.value(DEAD_LETTERS_REDRIVEN, outcome="sent") == 0
    assert dry == await one.redrive(wanted, "eve")
    assert (dry.sent, len(dry.held)) == ([], MANY - 10)


async def test_a_rate_is_kept(database: SqliteDatabase) -> None:
    clock = _Sleeper()
    one = redriver(database, clock)
    done = await one.redrive(Filter(), "eve", limit=30, rate_per_s=10)
    assert len(done.sent) == 30
    assert clock.slept == [0, 1, 1]


class _Sleeper(ManualClock):
    """Moves on when somebody sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        await self.advance(delay_s)
