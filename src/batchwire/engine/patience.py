"""Patience with a database that is away for a while: it is told, and waited for."""

import structlog

from batchwire.errors import StoreError

log = structlog.get_logger()


def must_pass(error: StoreError) -> None:
    """Log that the database is away; raise what does not pass by itself."""
    if not error.retryable:
        raise error
    log.warning("store_unavailable", error_code=error.code, error=str(error))
