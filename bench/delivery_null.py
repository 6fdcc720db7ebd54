"""Delivery to a provider that answers at once: what our own part costs."""

import shutil
from pathlib import Path

import uvloop

from bench import lists
from bench.compare import compare
from bench.figure import Figure
from bench.floor_null import floor_s
from bench.providers import NullProvider, Stopwatch
from bench.scratch import fresh
from bench.service import delivery_s, prepared

_RECIPIENTS = 1_000_000
_AT_LEAST = 0.4


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Prepare one file; deliver copies of it."""
    size = int(_RECIPIENTS * scale)
    origin = scratch / "prepared.db"
    uvloop.run(prepared(origin, lists.plain(scratch / "list.csv", size)))

    def ours() -> float:
        copy = Path(shutil.copy(origin, fresh(scratch / "ours.db")))
        return uvloop.run(delivery_s(copy, Stopwatch(NullProvider())))

    def floor() -> float:
        return floor_s(Path(shutil.copy(origin, fresh(scratch / "floor.db"))))

    found = compare(runs, ours, floor)
    return [
        Figure(
            bench="delivery-null",
            case=f"{size:,} recipients",
            value=round(size / found.ours_s),
            unit="recipients/s",
            floor=round(size / found.floor_s),
            ratio=round(found.ratio, 3),
            at_least=_AT_LEAST,
            runs=runs,
        )
    ]
