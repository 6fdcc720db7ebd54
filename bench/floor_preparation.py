"""
The floor of preparation: read the CSV, write the packed chunks.

Nothing is checked, normalised, counted in parts or found twice, and the list itself is
not kept.
"""

import csv
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec
import zstandard

from bench.floor_null import CHUNKS_A_COMMIT, connect

_CHUNK = 1000
_TABLE = "CREATE TABLE payloads (number INTEGER PRIMARY KEY, data BLOB NOT NULL)"
_WRITE = "INSERT INTO payloads (number, data) VALUES (?, ?)"


def floor_s(database: Path, path: Path) -> float:
    """Pack a list into an empty file; returns the seconds it took."""
    connection = connect(database)
    connection.execute(_TABLE)
    pack = zstandard.ZstdCompressor(level=1).compress
    started = time.perf_counter()
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        number = 0
        while chunk := list(islice(rows, _CHUNK)):
            if number % CHUNKS_A_COMMIT == 0:
                connection.execute("BEGIN IMMEDIATE")
            connection.execute(_WRITE, (number, pack(_payload(chunk))))
            number += 1
            if number % CHUNKS_A_COMMIT == 0:
                connection.execute("COMMIT")
    if connection.in_transaction:
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def _payload(rows: Sequence[Sequence[str]]) -> bytes:
    """Make what a payload of the ledger holds."""
    numbers, names, codes = zip(*rows, strict=True)
    parts = b"\1" * len(rows)
    return msgspec.msgpack.encode((1, "\n".join(numbers), (names, codes), parts))
