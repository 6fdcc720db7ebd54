"""``delivery-null`` on PostgreSQL, a private cluster with its default durability."""

from itertools import count
from pathlib import Path

import uvloop

from batchwire.testing.postgres import Cluster
from bench import lists
from bench.compare import compare
from bench.figure import Figure
from bench.floor_postgres import floor_s
from bench.providers import NullProvider, Stopwatch
from bench.service import delivery_s, prepared

_RECIPIENTS = 1_000_000
_AT_LEAST = 0.4
_PREPARED = "prepared"


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Prepare one database; deliver copies of it."""
    size = int(_RECIPIENTS * scale)
    cluster = Cluster()
    try:
        cluster.start()
        return [_measured(cluster, lists.plain(scratch / "list.csv", size), size, runs)]
    finally:
        cluster.remove()


def _measured(cluster: Cluster, path: Path, size: int, runs: int) -> Figure:
    uvloop.run(cluster.execute(f"CREATE DATABASE {_PREPARED}"))
    uvloop.run(prepared(cluster.url(_PREPARED), path))
    numbers = count(1)

    def copy() -> str:
        name = f"copy_{next(numbers)}"
        uvloop.run(cluster.execute(f"CREATE DATABASE {name} TEMPLATE {_PREPARED}"))
        return cluster.url(name)

    found = compare(
        runs,
        lambda: uvloop.run(delivery_s(copy(), Stopwatch(NullProvider()))),
        lambda: uvloop.run(floor_s(copy())),
    )
    return Figure(
        bench="delivery-postgres",
        case=f"{size:,} recipients",
        value=round(size / found.ours_s),
        unit="recipients/s",
        floor=round(size / found.floor_s),
        ratio=round(found.ratio, 3),
        at_least=_AT_LEAST,
        runs=runs,
    )
