"""The store on PostgreSQL keeps the promises of its port."""

from collections.abc import AsyncIterator

import pytest

from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store import StoreContract


@pytest.fixture
async def store(postgres_url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    store = SqlStore(PostgresDatabase(postgres_url), clock)
    await store.open()
    yield store
    await store.close()


class TestPostgresStore(StoreContract):
    """Run on a server of our own, as in service."""
