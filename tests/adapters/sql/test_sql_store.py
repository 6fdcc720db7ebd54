"""The SQLite store keeps the promises of its port."""

from batchwire.testing.contracts.store import StoreContract


class TestSqlStore(StoreContract):
    """Run on a file, as in service."""
