"""The SQLite store keeps the promises of its port."""

import os
import socket
import subprocess
import sys

import pytest

from batchwire.adapters.sql import worker_rows
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.sql.worker_rows import ENGINE
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store import StoreContract
from batchwire.testing.contracts.store_steps import LASTS_S, ME


class TestSqlStore(StoreContract):
    """Run on a file, as in service."""


async def test_a_service_that_gives_no_sign_of_life_is_still_one(
    store: SqlStore, clock: ManualClock
) -> None:
    """It holds the lock of the file."""
    await store.become_engine(ME, LASTS_S)
    await clock.advance(10 * LASTS_S)
    assert await store.has_service()


def _ended_pid() -> int:
    """Give the number of a process that there is no more."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


async def test_a_service_that_was_killed_is_none(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row stands there until the next engine has written its own."""
    ended = _ended_pid()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: ended)
        await store.become_engine(ME, LASTS_S)
    assert await store.has_engine()  # the lock is held: by the next one, as it were
    assert not await store.has_service()


async def test_a_service_of_another_machine_is_one_as_far_as_anybody_knows(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process cannot be looked for here."""
    ended = _ended_pid()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: ended)
        patch.setattr(socket, "gethostname", lambda: "elsewhere")
        await store.become_engine(ME, LASTS_S)
    assert await store.has_service()


async def test_an_engine_that_was_killed_is_not_at_work(
    database: SqliteDatabase, store: SqlStore, clock: ManualClock
) -> None:
    """Nobody holds the lock of the file, whatever the last one's row says."""
    await database.write(worker_rows.join, ME, ENGINE, LASTS_S, clock.now())
    assert await store.living() == []
    await store.become_engine(ME, LASTS_S)
    assert [one.owner for one in await store.living()] == [ME]
