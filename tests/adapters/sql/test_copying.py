"""A database is copied as it is, in both directions, or not at all."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    LargeBinary,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from batchwire.adapters.sql import copy_rows
from batchwire.adapters.sql.copying import VERIFYING, Copied, copy
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.sql.tables import batches, observed, outbox, suppressions
from batchwire.adapters.system.clock import SystemClock
from batchwire.domain.events import GENESIS
from batchwire.domain.observed import ObservedState
from batchwire.domain.operations import note
from batchwire.domain.outcome import Outcome
from batchwire.errors import (
    CopyRefused,
    EngineAlreadyRunning,
    StoreUnreachable,
    UnknownSchema,
)
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import StoreSteps, answers

make = StoreSteps()
Dump = dict[str, list[tuple[Any, ...]]]
Again = Callable[[str], Database]
Copies = Callable[..., Awaitable[Copied]]
LAST = 70_000  # the last id of what ``fill`` makes


def silent(what: str, done: int, whole: int) -> None:
    assert done <= whole, what


class CutShort:
    """A target whose n-th write does not come through; otherwise the database."""

    def __init__(self, database: Database, at: int) -> None:
        self._database = database
        self._left = at

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of it
        return getattr(self._database, name)

    async def write(self, *args: Any) -> Any:  # noqa: ANN401 - as of it
        """See ``Database``."""
        self._left -= 1
        if self._left == 0:
            raise StoreUnreachable("gone")
        return await self._database.write(*args)


@pytest.fixture
async def file(path: Path) -> AsyncIterator[SqliteDatabase]:
    one = SqliteDatabase(str(path))
    await one.open()
    yield one
    await one.close()


@pytest.fixture
async def back(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    one = SqliteDatabase(str(tmp_path / "back.db"))
    yield one
    await one.close()


@pytest.fixture
async def server(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    one = PostgresDatabase(postgres_url)
    yield one
    await one.close()


@pytest.fixture
def again(path: Path, tmp_path: Path, postgres_url: str) -> Callable[[str], Database]:
    """Give what opens a database once more, as the command does, which ends then."""

    def make_one(name: str) -> Database:
        if name == "server":
            return PostgresDatabase(postgres_url)
        return SqliteDatabase(str(path if name == "file" else tmp_path / "back.db"))

    return make_one


@pytest.fixture
def copied(again: Again) -> Callable[..., Awaitable[Copied]]:
    """Give what copies by name, as a process of its own would."""

    async def run(source: str, target: str, cut_at: int = 0) -> Copied:
        one, other = again(source), again(target)
        cut: Any = CutShort(other, cut_at)
        try:
            return await copy(one, cut, silent)
        finally:
            await one.close()
            await other.close()

    return run


async def fill(file: SqliteDatabase) -> None:
    """Leave a batch in delivery, one chunk answered, one leased; and rows everywhere."""
    database = SqliteDatabase(file._path)  # noqa: SLF001 - of an engine that is gone
    store = SqlStore(database, ManualClock())
    await make.delivering(store)
    (claim,) = (await make.flush(store, claim=1)).claims
    await make.flush(store, answers(claim.fence, [Outcome.ACCEPTED]))
    await database.write(_fill_the_rest)
    await store.close()


def _fill_the_rest(conn: Connection) -> None:
    empty = {"last_hash": GENESIS, "state": ObservedState().encode()}
    conn.execute(insert(observed), {"batch_id": "theirs", **empty})
    filled = copy_rows.counts(conn)
    for table in copy_rows.TABLES:
        if table.name not in filled:
            conn.execute(insert(table), [_row(table, n) for n in (1, 2, LAST)])


def _row(table: Table, number: int) -> dict[str, Any]:
    made: dict[str, Callable[[], object]] = {
        "bytes": lambda: b"\0\xff" + number.to_bytes(4),
        "text": lambda: f"Zoë ☺ {number}",
        "number": lambda: number,
    }
    kinds = {
        one.name: "bytes"
        if isinstance(one.type, LargeBinary)
        else "text"
        if isinstance(one.type, String)
        else "number"
        for one in table.columns
    }
    return {name: made[kind]() for name, kind in kinds.items()}


async def dump(database: Database) -> Dump:
    def read(conn: Connection) -> Dump:
        rows = {t.name: conn.execute(select(t)).all() for t in copy_rows.TABLES}
        return {name: sorted(map(tuple, some), key=repr) for name, some in rows.items()}

    return await database.read(read)


async def test_every_table_comes_over_and_back_byte_for_byte(
    file: SqliteDatabase, server: PostgresDatabase, back: SqliteDatabase, copied: Copies
) -> None:
    await fill(file)
    before = await dump(file)
    assert all(before.values())
    done = await copied("file", "server")
    assert await dump(server) == before
    assert (done.batches, done.contradictions, done.is_anew) == (2, {}, False)
    assert done.rows == {name: len(rows) for name, rows in before.items()}
    await copied("server", "back")
    assert await dump(back) == before


async def test_portions_miss_nothing_and_take_nothing_twice(
    file: SqliteDatabase,
    server: PostgresDatabase,
    back: SqliteDatabase,
    copied: Copies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copy_rows, "_MANY", 2)
    monkeypatch.setattr(copy_rows, "_MANY_BLOBS", 1)
    await fill(file)
    await copied("file", "server")
    await copied("server", "back")
    assert await dump(back) == await dump(server) == await dump(file)


async def test_no_id_comes_back_in_a_copy(
    file: SqliteDatabase, server: PostgresDatabase, back: SqliteDatabase, copied: Copies
) -> None:
    await fill(file)
    await file.write(_empty_outbox)
    await copied("file", "server")
    await copied("server", "back")
    for database in (server, back):
        assert await database.write(_new_position) == LAST + 1
        await StoreSteps().created(SqlStore(database, ManualClock()), "b2")
        assert await database.read(_ids) == [1, 2]


def _empty_outbox(conn: Connection) -> None:
    conn.execute(delete(outbox))


def _new_position(conn: Connection) -> int:
    row = _row(outbox, 1)
    del row["position"]
    made = insert(outbox).returning(outbox.c.position)
    return int(conn.execute(made, row).scalar_one())


def _ids(conn: Connection) -> list[int]:
    return list(conn.execute(select(batches.c.id).order_by(batches.c.id)).scalars())


async def test_a_target_that_holds_something_is_refused_and_left_alone(
    file: SqliteDatabase, server: PostgresDatabase, copied: Copies
) -> None:
    await fill(file)
    await server.write(_suppress)
    before = await dump(server)
    with pytest.raises(
        CopyRefused, match=r"not empty: it holds suppressions \(1 rows\)"
    ):
        await copied("file", "server")
    assert await dump(server) == before
    await server.open()


def _suppress(conn: Connection) -> None:
    conn.execute(insert(suppressions), _row(suppressions, 1))


@pytest.mark.parametrize(
    ("busy", "which"), [("file", "the source"), ("server", "the target")]
)
async def test_an_engine_on_either_one_is_in_the_way(
    file: SqliteDatabase, again: Again, copied: Copies, busy: str, which: str
) -> None:
    await fill(file)
    engine = again(busy)
    await SqlStore(engine, SystemClock()).become_engine("at work", 30.0)
    with pytest.raises(EngineAlreadyRunning, match=which):
        await copied("file", "server")
    await engine.close()


async def test_what_changes_meanwhile_is_no_source(
    file: SqliteDatabase, again: Again, copied: Copies
) -> None:
    await fill(file)
    store = SqlStore(file, ManualClock())
    one, other = again("file"), again("server")
    tasks = []

    def pause(what: str, *_: object) -> None:
        if what == "batches":
            tasks.append(asyncio.ensure_future(store.store("b1", note("changed"))))

    with pytest.raises(CopyRefused, match="source changed while it was copied"):
        await copy(one, other, pause)
    await asyncio.gather(*tasks)
    await one.close()
    await other.close()
    assert (await copied("file", "server")).is_anew


CHANGES = [
    "UPDATE pacers SET rate_parts_per_s = 7",
    "UPDATE batches SET limited_by = 'rate'",
    "UPDATE list_blocks SET data = x'00'",
]


@pytest.mark.parametrize("when", ["list_blocks", VERIFYING])
@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_that_leaves_as_many_rows_is_found_in_the_source(
    file: SqliteDatabase, path: Path, again: Again, change: str, when: str
) -> None:
    await fill(file)
    one, other = again("file"), again("server")
    table = change.split()[1]
    with pytest.raises(CopyRefused, match=rf"source changed .* \({table}\)"):
        await copy(one, other, changing(path, change, when))
    await one.close()
    await other.close()


@pytest.mark.parametrize("change", CHANGES)
async def test_a_target_that_somebody_else_writes_is_refused(
    file: SqliteDatabase, tmp_path: Path, again: Again, change: str
) -> None:
    await fill(file)
    one, other = again("file"), again("back")
    with pytest.raises(CopyRefused, match="target does not hold what was copied"):
        await copy(one, other, changing(tmp_path / "back.db", change, VERIFYING))
    await one.close()
    await other.close()


def changing(path: Path, change: str, when: str) -> Callable[[str, int, int], None]:
    """Give what changes a file when a copy tells that it is there."""

    def tell(what: str, done: int, whole: int) -> None:
        silent(what, done, whole)
        if what == when:
            with contextlib.closing(sqlite3.connect(path)) as connection:
                connection.execute(change)
                connection.commit()

    return tell


@pytest.mark.parametrize("target", ["back", "server"])
@pytest.mark.parametrize("cut_at", [2, 6, 12])
async def test_a_copy_that_was_cut_short_is_used_by_nobody_and_made_anew(
    file: SqliteDatabase, again: Again, copied: Copies, target: str, cut_at: int
) -> None:
    await fill(file)
    with pytest.raises(StoreUnreachable, match="gone"):
        await copied("file", target, cut_at)
    half = again(target)
    for call in (half.open, half.upgrade):
        with pytest.raises(UnknownSchema, match="was cut short"):
            await call()
    assert (await copied("file", target)).is_anew
    await half.open()
    assert await dump(half) == await dump(file)
    await half.close()


async def test_a_contradiction_of_the_source_is_told_and_copied(
    file: SqliteDatabase, server: PostgresDatabase, copied: Copies
) -> None:
    await fill(file)
    await file.write(_miscount)
    done = await copied("file", "server")
    assert list(done.contradictions) == ["b1"]
    assert (
        await SqlStore(server, ManualClock()).verify("b1") == done.contradictions["b1"]
    )


def _miscount(conn: Connection) -> None:
    conn.execute(update(batches).values(accepted=7))
