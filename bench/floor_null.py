"""
The floor of delivery: read the packed chunks, render, append packed results.

A bare loop with the driver itself. Nobody can pause it, it keeps no intent, and after a
crash it could not say what was sent; but what it wrote is as durable.
"""

import sqlite3
import time
from pathlib import Path

import msgspec
import zstandard

from bench.providers import ids

CHUNKS_A_COMMIT = 16  # what the engine has under way at most between two commits
_ACCEPTED = b"\4"
_unpack = zstandard.ZstdDecompressor().decompress
_pack = zstandard.ZstdCompressor(level=1).compress
_READ = """
    SELECT batch, number, data FROM payloads WHERE number >= ?
    ORDER BY number LIMIT ?
"""
_WRITE = "INSERT INTO results (batch, number, data) VALUES (?, ?, ?)"


def connect(path: Path) -> sqlite3.Connection:
    """Connect with the durability that the store has."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=4000")
    return connection


def floor_s(path: Path) -> float:
    """Deliver the prepared file; returns the seconds it took."""
    connection = connect(path)
    started = time.perf_counter()
    first = 0
    while rows := connection.execute(_READ, (first, CHUNKS_A_COMMIT)).fetchall():
        connection.execute("BEGIN IMMEDIATE")
        for batch, number, data in rows:
            connection.execute(_WRITE, (batch, number, delivered(data)))
        connection.execute("COMMIT")
        first = rows[-1][1] + 1
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def delivered(payload: bytes) -> bytes:
    """Render and submit a packed chunk; returns its packed result."""
    _, numbers, (names, codes), _ = msgspec.msgpack.decode(_unpack(payload))
    messages = [
        (to, f"Hello {name}, your code is {code}")
        for to, name, code in zip(numbers.split("\n"), names, codes, strict=True)
    ]
    return _pack(msgspec.msgpack.encode(_result(_submit(messages))))


def _submit(messages: list[tuple[str, str]]) -> list[str]:
    return ids(len(messages))


def _result(accepted: list[str]) -> tuple[object, ...]:
    """Make what a segment of the ledger holds."""
    size = len(accepted)
    at_ms = int(time.time() * 1000)
    outcomes, attempts = _ACCEPTED * size, b"\1" * size
    return (1, at_ms, 1, 0, b"", outcomes, attempts, "\n".join(accepted), {})
