"""Patience: with a database that is away for a while, and for what comes soon."""

import asyncio
from collections.abc import Awaitable

import structlog

from batchwire.errors import StoreError
from batchwire.ports.clock import Clock

log = structlog.get_logger()


def must_pass(error: StoreError) -> None:
    """Log that the database is away; raise what does not pass by itself."""
    if not error.retryable:
        raise error
    log.warning("store_unavailable", error_code=error.code, error=str(error))


async def told_within(news: Awaitable[object], limit_s: float, clock: Clock) -> None:
    """Wait for what may come, by the clock at most so long."""
    told = asyncio.ensure_future(news)
    rest = asyncio.ensure_future(clock.sleep(limit_s))
    try:
        await asyncio.wait({told, rest}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        rest.cancel()
