"""
Claiming: how long it takes to get a chunk where eight processes want one.

Each claims as an engine does (``bench.claimer``), by the flush that writes the answers
to the chunk before. ``ten a second`` is what an engine does, whose cycles are 100 ms;
``back to back`` leaves no pause, so that all eight always want one: there the median
waits too. Only claims that got a chunk count, and not the first three of a process,
which make its connection and its statements.
"""

import asyncio
import sys
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
import uvloop

from batchwire.domain.lifecycle import Trigger
from batchwire.domain.operations import enter
from batchwire.testing.postgres import Cluster
from bench import lists
from bench.figure import Figure
from bench.service import service

_PROCESSES = 8
_RECIPIENTS = 1_000_000
_FEWEST = 64_000  # eight chunks for each
_AT_MOST = 10.0  # p99 beside the median


class _Case(NamedTuple):
    told: str
    batches: int
    interval_s: float


_CASES = (
    _Case("a batch, ten a second", 1, 0.1),
    _Case("8 batches, ten a second", 8, 0.1),
    _Case("a batch, back to back", 1, 0.0),
)


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Prepare a database for each case; claim all chunks of copies of it."""
    size = max(_FEWEST, int(_RECIPIENTS * scale))
    cluster = Cluster()
    try:
        cluster.start()
        for batches in sorted({case.batches for case in _CASES}):
            path = lists.plain(scratch / "list.csv", size // batches)
            uvloop.run(_prepared(cluster, batches, path))
        return [_measured(cluster, case, runs) for case in _CASES]
    finally:
        cluster.remove()


def _measured(cluster: Cluster, case: _Case, runs: int) -> Figure:
    found = [sorted(uvloop.run(_claimed_s(cluster, case))) for _ in range(runs)]
    return Figure(
        bench="claim",
        case=f"{case.told}: p99 beside the median",
        value=round(median(map(_p99, found)) * 1000, 2),
        unit="ms",
        floor=round(median(map(median, found)) * 1000, 2),
        ratio=round(median(_p99(one) / median(one) for one in found), 3),
        at_most=_AT_MOST,
        runs=runs,
    )


def _p99(ascending: list[float]) -> float:
    """Give the value that 99 % do not exceed."""
    return ascending[-(-len(ascending) * 99 // 100) - 1]


async def _prepared(cluster: Cluster, batches: int, path: Path) -> None:
    """Make a database whose batches are in delivery."""
    name = _origin(batches)
    await cluster.execute(f"CREATE DATABASE {name}")
    async with service(cluster.url(name)) as ours:
        for number in range(batches):
            batch_id = f"bench-{number}"
            await ours.take(path, batch_id)
            await ours.prepare(batch_id)
            await ours.store.change(
                batch_id,
                lambda b: enter(b, Trigger.DELIVERY_STARTED, ours.clock.now()),
            )


async def _claimed_s(cluster: Cluster, case: _Case) -> list[float]:
    """Let the processes claim all chunks of a copy; the seconds that each claim took."""
    name = f"copy_{uuid.uuid4().hex}"
    await cluster.execute(f"CREATE DATABASE {name} TEMPLATE {_origin(case.batches)}")
    async with AsyncExitStack() as stack:
        claimers = []
        for first in range(_PROCESSES):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.claimer"),
                *(cluster.url(name), str(first), str(case.interval_s)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            stack.push_async_callback(process.wait)
            claimers.append(process)
        for process in claimers:
            await _heard(process)
        found = await asyncio.gather(*(one.communicate(b"\n") for one in claimers))
    await cluster.execute(f"DROP DATABASE {name}")
    return [s for out, _ in found for s in msgspec.json.decode(out, type=list[float])]


async def _heard(process: asyncio.subprocess.Process) -> None:
    """Wait until it is ready."""
    if process.stdout is None or not await process.stdout.readline():
        problem = "a claimer has ended; its message stands above"
        raise RuntimeError(problem)


def _origin(batches: int) -> str:
    return f"prepared_{batches}"
