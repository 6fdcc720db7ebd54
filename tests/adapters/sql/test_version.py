"""Nobody looks at the tables of an SQLite file again and again where nothing changed."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from batchwire.adapters.sql.event_doors import SqlOutbox
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.testing.builders import FastClock, Service, numbers
from batchwire.testing.contracts.outbox import outgoing

_COMMIT = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM')"


def elsewhere(path: Path) -> None:
    """Commit something in a process of its own."""
    subprocess.run([sys.executable, "-c", _COMMIT, str(path)], check=True)  # noqa: S603 - ours


async def test_the_version_changes_with_the_commits_of_whoever(
    store: SqlStore, database: SqliteDatabase, path: Path
) -> None:
    first = database.version()
    assert first is not None
    assert database.version() == first
    await store.batches()
    assert database.version() == first
    await store.set_rate("a", None)
    own = database.version()
    elsewhere(path)
    assert database.version() not in {own, None}
    assert own != first
    await database.close()
    assert database.version() is None


@pytest.mark.usefixtures("store")
async def test_an_outbox_is_read_again_only_after_a_commit(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = SqlOutbox(database, FastClock())
    await outbox.lease("us")
    assert await outbox.pending("us", 10) == []
    read, reads = database.read, []

    async def counted(*asked: object) -> object:
        reads.append(asked)
        return await read(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "read", counted)
    assert await outbox.pending("us", 10) == []
    assert reads == []
    assert await outbox.pending("us", 10, without=["resting"]) == []
    assert len(reads) == 1  # another question
    await outbox.add([outgoing(1)])
    for _ in range(2):  # until it is done
        assert len(await outbox.pending("us", 10)) == 1
    assert len(reads) == 3


async def test_a_service_hears_what_another_process_changes_and_waits_where_nothing_is(
    path: Path,
) -> None:
    clock = FastClock(1.0)
    store = SqlStore(SqliteDatabase(str(path)), clock)
    other = SqlStore(SqliteDatabase(str(path)), clock)
    await store.open()
    await other.open()
    seen = await store.changed(0, 600.0)
    assert await store.changed(seen, 0.3) == seen
    hearing = asyncio.ensure_future(store.changed(seen, 600.0))
    await asyncio.sleep(0.2)
    assert not hearing.done()
    await Service(other, clock, {}).take(numbers(1))
    assert await asyncio.wait_for(hearing, 20.0) > seen
    await store.close()
    await other.close()
