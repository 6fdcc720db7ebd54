"""Preparation: from a CSV file to a sealed batch, the stored list included."""

import time
from pathlib import Path

import uvloop

from bench import lists
from bench.compare import compare
from bench.figure import Figure
from bench.floor_preparation import floor_s
from bench.scratch import fresh
from bench.service import service

_RECIPIENTS = 1_000_000
_AT_LEAST = 0.4


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Take in and prepare one list again and again, each time on an empty file."""
    size = int(_RECIPIENTS * scale)
    path = lists.flawed(scratch / "list.csv", size)

    def ours() -> float:
        return uvloop.run(_ours_s(fresh(scratch / "ours.db"), path))

    def floor() -> float:
        return floor_s(fresh(scratch / "floor.db"), path)

    found = compare(runs, ours, floor)
    return [
        Figure(
            bench="preparation",
            case=f"{size:,} lines",
            value=round(size / found.ours_s),
            unit="lines/s",
            floor=round(size / found.floor_s),
            ratio=round(found.ratio, 3),
            at_least=_AT_LEAST,
            runs=runs,
        )
    ]


async def _ours_s(database: Path, path: Path) -> float:
    async with service(database) as ours:
        started = time.perf_counter()
        await ours.take(path)
        await ours.prepare()
        return time.perf_counter() - started
