"""Faults of the database: in our own words, nothing lost, nothing half done."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.sqlite_connect import connect, translated
from batchwire.adapters.sql.store import SqlStore
from batchwire.errors import (
    EngineAlreadyRunning,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
)
from batchwire.testing.builders import create, spec
from batchwire.testing.clock import ManualClock

HOLD_THE_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
HOLD_THE_ENGINE = """
import asyncio, sys
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.system.clock import SystemClock
asyncio.run(SqlStore(SqliteDatabase(sys.argv[1]), SystemClock()).become_engine("it", 30.0))
"""


@contextmanager
def another_process(code: str, path: Path) -> Iterator[None]:
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(  # noqa: S603 - our own code
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield


async def test_a_lock_held_by_another_process_is_busy_and_then_goes_on(
    store: SqlStore, path: Path
) -> None:
    with another_process(HOLD_THE_LOCK, path):
        with pytest.raises(StoreBusy, match="another process keeps the write lock"):
            await create(store, spec())
        assert await store.batches() == []  # reading goes on beside it
    _, is_new = await create(store, spec())
    assert is_new


async def test_a_full_disk_says_so_stores_nothing_and_goes_on_after(
    store: SqlStore, database: SqliteDatabase
) -> None:
    with database.writer.connect() as conn:  # the limit is per connection
        conn.exec_driver_sql("PRAGMA max_page_count=1")  # SQLite takes what it has
    large = [b"x" * 4096] * 200
    with pytest.raises(StoreFull, match="the disk is full; free space"):
        await store.add_list_blocks("l1", 0, large)
    assert [block async for block in store.list_blocks("l1")] == []
    with database.writer.connect() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count=1000000")
    await store.add_list_blocks("l1", 0, large)
    assert [block async for block in store.list_blocks("l1")] == large


async def test_a_file_that_is_no_database_is_refused(
    path: Path, clock: ManualClock
) -> None:
    path.write_bytes(b"to,name\n+447810000001,Ann\n" * 100)  # noqa: ASYNC240 - small
    store = SqlStore(SqliteDatabase(str(path)), clock)
    with pytest.raises(StoreDamaged, match="is no SQLite database; name another"):
        await store.open()
    await store.close()


async def test_a_directory_that_does_not_exist_is_refused(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = SqlStore(SqliteDatabase(str(tmp_path / "none" / "batchwire.db")), clock)
    with pytest.raises(StoreUnreachable, match="the directory must exist"):
        await store.open()
    with pytest.raises(StoreUnreachable, match="the directory must exist"):
        await store.become_engine("me", 30.0)
    await store.close()


async def test_a_row_that_cannot_be_read_is_damage(store: SqlStore, path: Path) -> None:
    await create(store, spec())
    with sqlite3.connect(path) as direct:
        direct.execute("UPDATE batches SET spec = 'nonsense'")
    direct.close()
    with pytest.raises(StoreDamaged, match="batch b1 cannot be read"):
        await store.batch("b1")


async def test_two_stores_cannot_both_be_the_engine(
    store: SqlStore, path: Path, clock: ManualClock
) -> None:
    other = SqlStore(SqliteDatabase(str(path)), clock)
    await other.become_engine("other", 30.0)
    assert await store.has_engine()
    with pytest.raises(EngineAlreadyRunning, match="use that one, or stop it first"):
        await store.become_engine("me", 30.0)
    await other.close()
    await store.become_engine("me", 30.0)


async def test_a_link_to_a_file_is_the_same_file(
    store: SqlStore, path: Path, clock: ManualClock
) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path.name)
    other = SqlStore(SqliteDatabase(str(link)), clock)
    await store.become_engine("me", 30.0)
    with pytest.raises(EngineAlreadyRunning):
        await other.become_engine("other", 30.0)
    await other.close()


async def test_a_percent_sign_in_a_name_is_one(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = SqlStore(SqliteDatabase(str(tmp_path / "a%20b.db")), clock)
    await store.open()
    await store.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a%20b.db"]  # noqa: ASYNC240


async def test_the_right_to_be_the_engine_ends_with_its_process(
    store: SqlStore, path: Path
) -> None:
    command = [sys.executable, "-c", HOLD_THE_ENGINE, str(path)]
    subprocess.run(command, check=True)  # noqa: S603, ASYNC221 - our own code, at once
    assert not await store.has_engine()
    await store.become_engine("me", 30.0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SQLITE_BUSY", StoreBusy),
        ("SQLITE_BUSY_SNAPSHOT", StoreBusy),
        ("SQLITE_LOCKED", StoreBusy),
        ("SQLITE_FULL", StoreFull),
        ("SQLITE_READONLY", StoreReadOnly),
        ("SQLITE_READONLY_DIRECTORY", StoreReadOnly),
        ("SQLITE_CANTOPEN", StoreUnreachable),
        ("SQLITE_IOERR_FSYNC", StoreUnreachable),
        ("SQLITE_NOTADB", StoreDamaged),
        ("SQLITE_CORRUPT", StoreDamaged),
        ("SQLITE_MISUSE", StoreError),
    ],
)
def test_every_error_of_the_driver_becomes_ours(
    name: str, kind: type[StoreError]
) -> None:
    error = sqlite3.OperationalError("as the driver says it")
    error.sqlite_errorname = name
    with pytest.raises(StoreError) as raised, translated("the.db"):
        raise error
    assert type(raised.value) is kind
    assert str(raised.value).startswith("database the.db: ")
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PermissionError(13, "Permission denied"), StoreReadOnly),
        (OSError(30, "Read-only file system"), StoreReadOnly),
        (OSError(28, "No space left on device"), StoreFull),
        (FileNotFoundError(2, "No such file"), StoreUnreachable),
    ],
)
def test_an_error_of_the_lock_file_becomes_ours(
    error: OSError, kind: type[StoreError]
) -> None:
    with pytest.raises(kind), translated("the.db"):
        raise error


def test_no_space_for_the_files_beside_it_is_a_full_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    with pytest.raises(StoreUnreachable, match="check the disk"), translated("the.db"):
        raise error
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    with pytest.raises(StoreFull, match="the disk is full"), translated("the.db"):
        raise error


def test_who_opens_a_file_that_another_process_makes_waits_for_it(path: Path) -> None:
    """SQLite refuses a write-ahead log at once while somebody writes without one."""
    first = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    first.execute("BEGIN IMMEDIATE")
    first.execute("CREATE TABLE its (own)")
    done = threading.Timer(0.3, first.close)
    done.start()
    engine = connect(str(path), is_writer=True, busy_timeout_s=30.0)
    with engine.connect() as conn:
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    done.join()
    engine.dispose()
