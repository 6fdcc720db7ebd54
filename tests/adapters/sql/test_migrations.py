"""The migrations build the schema that the code works with, on both databases."""

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, insert, text

from batchwire.adapters.sql import commits, migrate, migrating
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.sql.tables import metadata
from batchwire.domain.ledger import segment
from batchwire.domain.lifecycle import Operation, Trigger
from batchwire.domain.outcome import Outcome
from batchwire.errors import IllegalOperation, UnknownSchema
from batchwire.ports.store import ChunkUpdate
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import StoreSteps
from batchwire.testing.postgres import Cluster

RELEASES = Path(__file__).parent / "releases"
FIRST = "0001"
make = StoreSteps()


@asynccontextmanager
async def empty_postgres(cluster: Cluster) -> AsyncIterator[PostgresDatabase]:
    await cluster.execute("CREATE DATABASE to_migrate")
    database = PostgresDatabase(cluster.url("to_migrate"))
    yield database
    await database.close()
    await cluster.execute("DROP DATABASE to_migrate WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Database]:
    if request.param == "postgresql":
        async with empty_postgres(request.getfixturevalue("cluster")) as database:
            yield database
        return
    file = SqliteDatabase(str(path))
    yield file
    await file.close()


def first_release(conn: Connection) -> None:
    """Make what the first release left: a paused batch, one to prepare, a suppression."""
    migrating.run(conn, FIRST)
    tables = MetaData()
    tables.reflect(conn)
    kept = json.loads((RELEASES / f"{FIRST}.json").read_text(encoding="utf-8"))
    for name, rows in kept.items():
        conn.execute(insert(tables.tables[name]), [_row(row) for row in rows])


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
        for name, value in row.items()
    }


async def test_the_first_release_goes_on_where_it_was(
    empty: Database, clock: ManualClock
) -> None:
    await empty.write(first_release)
    assert await empty.upgrade() == (FIRST, migrate.HEAD)
    store = SqlStore(empty, clock)
    await store.open()
    assert [await store.verify(batch_id) for batch_id in ("b1", "b2")] == [[], []]
    with pytest.raises(IllegalOperation):
        await make.operate(store, Operation.RETRY, "r")  # its first answer
    await make.operate(store, Operation.RESUME, "go on")
    await make.enter(store, Trigger.DELIVERY_STARTED)
    await store.become_engine("me", 30.0)
    first = (await make.flush(store, claim=1)).claims[0]
    assert (first.number, first.state.open_positions()) == (0, [2, 3])
    accepted = [(position, Outcome.ACCEPTED, 1) for position in (2, 3)]
    told = segment(0, first.fence, accepted)
    await make.flush(store, ChunkUpdate(number=0, fence=first.fence, segments=(told,)))
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == 3
    assert await store.suppressed(["+447810000001"]) == {"+447810000001"}
    assert await store.verify("b1") == []


async def test_the_migrations_build_the_tables(empty: Database) -> None:
    await empty.write(migrating.run, migrate.HEAD)
    assert await empty.read(_differences) == []


async def test_a_new_file_has_the_very_tables_of_the_migrations(tmp_path: Path) -> None:
    def tables(name: str) -> dict[str, str]:
        with closing(sqlite3.connect(tmp_path / name)) as conn:
            found = conn.execute("SELECT name, sql FROM sqlite_master").fetchall()
        return {name: re.sub(r"\s", "", text) for name, text in found if text}

    made, migrated = (SqliteDatabase(str(tmp_path / n)) for n in ("made", "migrated"))
    assert await made.upgrade() == ("", migrate.HEAD)
    assert await made.upgrade() == (migrate.HEAD, migrate.HEAD)
    await migrated.write(migrating.run, migrate.HEAD)
    for one in (made, migrated):
        await one.close()
    assert tables("made") == tables("migrated")
    assert "alembic_version" in tables("made")


def _differences(conn: Connection) -> list[Any]:
    context = MigrationContext.configure(conn, opts={"compare_type": True})
    of_postgresql = [commits.metadata] if conn.dialect.name == "postgresql" else []
    return list(compare_metadata(context, [metadata, *of_postgresql]))  # type: ignore[arg-type]


async def test_what_is_compressed_is_not_compressed_again(postgres_url: str) -> None:
    query = text(
        "SELECT attrelid::regclass::text FROM pg_attribute WHERE attname = 'data'"
        " AND attstorage = 'e' AND attnum > 0"
    )
    database = PostgresDatabase(postgres_url)
    found = await database.read(lambda conn: conn.execute(query).scalars().all())
    await database.close()
    assert {"list_blocks", "payloads", "results"} <= set(found)


def test_the_head_is_that_of_the_scripts() -> None:
    scripts = ScriptDirectory.from_config(migrating.configuration())
    assert scripts.get_heads() == [migrate.HEAD]


async def test_a_newer_schema_is_refused(empty: Database) -> None:
    await empty.upgrade()
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await empty.write(lambda conn: conn.execute(newer).rowcount)
    for call in (empty.open, empty.upgrade):
        with pytest.raises(
            UnknownSchema, match="9999 is newer than this program; upgrade batchwire"
        ):
            await call()


async def test_upgrading_what_is_up_to_date_changes_nothing(empty: Database) -> None:
    await empty.upgrade()
    assert await empty.upgrade() == (migrate.HEAD, migrate.HEAD)


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE notes (text)",
        "CREATE TABLE events (text)",
        f"CREATE TABLE alembic_version AS SELECT '{migrate.HEAD}' AS version_num",
    ],
)
async def test_a_file_of_another_program_is_refused_and_left_as_it_is(
    tmp_path: Path, script: str
) -> None:
    path = tmp_path / "notes.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.executescript(script)
        before = list(theirs.iterdump())
    database = SqliteDatabase(str(path))
    with pytest.raises(UnknownSchema, match=r"notes.db: is another program's; name"):
        await database.open()
    await database.close()
    with closing(sqlite3.connect(path)) as theirs:
        assert list(theirs.iterdump()) == before
