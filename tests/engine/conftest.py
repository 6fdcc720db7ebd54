"""A real store on a file, and a clock that runs fast."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.testing.builders import FastClock


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> FastClock:
    """Give the clock of store and service; its speed can be a parameter."""
    return FastClock(getattr(request, "param", 50.0))


@pytest.fixture
async def store(tmp_path: Path, clock: FastClock) -> AsyncIterator[SqlStore]:
    store = SqlStore(SqliteDatabase(str(tmp_path / "batchwire.db")), clock)
    await store.open()
    yield store
    await store.close()
