"""A real store on a file, a clock that runs fast, and logs that do not hold it up."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.testing.builders import FastClock


@pytest.fixture(autouse=True)
def _tracebacks_are_plain() -> Iterator[None]:
    """Spare the engine's loop the half second that Rich takes to draw each of them."""
    *others, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(
        exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*others, plain])
    yield
    structlog.reset_defaults()


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
