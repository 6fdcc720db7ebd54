"""The floor of delivery on PostgreSQL: as ``floor_null``, by the driver itself."""

import time

import asyncpg

from bench.floor_null import CHUNKS_A_COMMIT, delivered

_READ = """
    SELECT batch, number, data FROM payloads WHERE number >= $1
    ORDER BY number LIMIT $2
"""
_WRITE = "INSERT INTO results (batch, number, data) VALUES ($1, $2, $3)"


async def floor_s(url: str) -> float:
    """Deliver the prepared database; returns the seconds it took."""
    session = await asyncpg.connect(url)
    started = time.perf_counter()
    first = 0
    while rows := await session.fetch(_READ, first, CHUNKS_A_COMMIT):
        results = [(batch, number, delivered(data)) for batch, number, data in rows]
        async with session.transaction():
            await session.executemany(_WRITE, results)
        first = rows[-1]["number"] + 1
    seconds = time.perf_counter() - started
    await session.close()
    return seconds
