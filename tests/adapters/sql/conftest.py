"""A store on a file that tests may also open by hand; or on their own ``database``."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "batchwire.db"


@pytest.fixture
def database(path: Path) -> SqliteDatabase:
    return SqliteDatabase(str(path), busy_timeout_s=0.05)


@pytest.fixture
async def store(database: Database, clock: ManualClock) -> AsyncIterator[SqlStore]:
    store = SqlStore(database, clock)
    await store.open()
    yield store
    await store.close()
