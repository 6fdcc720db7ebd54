"""The SQLite store keeps the promises of its port."""

from batchwire.adapters.sql.store import SqlStore
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store import LASTS_S, ME, StoreContract


class TestSqlStore(StoreContract):
    """Run on a file, as in service."""


async def test_a_service_that_gives_no_sign_of_life_is_still_one(
    store: SqlStore, clock: ManualClock
) -> None:
    """It holds the lock of the file."""
    await store.become_engine(ME, LASTS_S)
    await clock.advance(10 * LASTS_S)
    assert await store.has_service()
