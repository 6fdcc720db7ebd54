"""The ledger's size: bytes on disk for each recipient, after delivery."""

import os
from collections.abc import Sequence
from pathlib import Path

import uvloop

from batchwire.domain.outcome import Answer, Message, Verdict
from bench import lists
from bench.figure import Figure
from bench.providers import NullProvider, Stopwatch
from bench.service import delivery_s, prepared

_RECIPIENTS = 200_000
_ID_BYTES = 16
_AT_MOST = 80.0


class _RandomIds(NullProvider):
    """Gives ids as providers do: 32 random hexadecimal characters."""

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        return [Answer(Verdict.ACCEPTED, os.urandom(_ID_BYTES).hex()) for _ in messages]


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Measure the closed file once: it is the same at every run."""
    del runs
    size = int(_RECIPIENTS * scale)
    database = scratch / "ours.db"
    uvloop.run(prepared(database, lists.plain(scratch / "list.csv", size)))
    uvloop.run(delivery_s(database, Stopwatch(_RandomIds())))
    files = (Path(f"{database}{suffix}") for suffix in ("", "-wal"))
    on_disk = sum(file.stat().st_size for file in files if file.exists())
    return [
        Figure(
            bench="ledger",
            case=f"{size:,} recipients, ids of 32 characters",
            value=round(on_disk / size, 1),
            unit="bytes/recipient",
            at_most=_AT_MOST,
            runs=1,
        )
    ]
