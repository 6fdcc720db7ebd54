"""
Stopping several machines: two engine processes on one PostgreSQL, paused from a third.

As ``stop``: how long submissions go on after the pause was acknowledged, by whichever
engine. All read the same monotonic clock.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import uvloop

from batchwire.domain.lifecycle import Operation
from batchwire.errors import IllegalOperation
from batchwire.testing.postgres import Cluster
from bench import lists
from bench.engines import drained
from bench.figure import Figure
from bench.service import BATCH_ID, Service, prepared, quiet, service
from bench.stop import Noting

_ENGINES = 2
_PAUSES = 100
_RECIPIENTS = 500_000
_AT_MOST_MS = 500.0
_RUNNING_S = 0.2
_QUIET_S = 0.6
_PREPARED = "prepared"


class _Told(NamedTuple):
    """What an engine says: when it last submitted (monotonic), and how many by then."""

    last_at: float
    submitted: int


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Pause 100 times: these are the runs. One prepared list is delivered repeatedly."""
    del runs
    pauses = max(2, int(_PAUSES * scale))
    path = lists.plain(scratch / "list.csv", max(250_000, int(_RECIPIENTS * scale)))
    cluster = Cluster()
    try:
        cluster.start()
        found = uvloop.run(_measured(cluster, path, pauses))
    finally:
        cluster.remove()
    late_ms = sorted(late for late, _ in found)
    rate = fmean(rate for _, rate in found)
    return [
        Figure(
            bench="stop-postgres",
            case=f"p99 of {pauses} pauses, {_ENGINES} engines, {rate:,.0f} messages/s",
            value=round(late_ms[-(-pauses * 99 // 100) - 1], 1),
            unit="ms",
            at_most=_AT_MOST_MS,
            runs=pauses,
        )
    ]


async def _measured(
    cluster: Cluster, path: Path, pauses: int
) -> list[tuple[float, float]]:
    await cluster.execute(f"CREATE DATABASE {_PREPARED}")
    await prepared(cluster.url(_PREPARED), path)
    found: list[tuple[float, float]] = []
    for number in count(1):
        name = f"copy_{number}"
        await cluster.execute(f"CREATE DATABASE {name} TEMPLATE {_PREPARED}")
        some = await _paused(cluster.url(name), pauses - len(found))
        if not some:
            problem = "the batch ended before the first pause had settled"
            raise RuntimeError(problem)
        found += some
        if len(found) >= pauses:
            break
    return found


async def _paused(url: str, pauses: int) -> list[tuple[float, float]]:
    """
    Give of each pause the milliseconds to the last submission, and the rate before.

    Only a pause after which there was something left to submit counts.
    """
    found: list[tuple[float, float]] = []
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(service(url))
        await _operated(ours, Operation.PAUSE)  # until all engines are there
        engines = await stack.enter_async_context(_engines(url))
        await _submitted(engines)
        await _operated(ours, Operation.RESUME)
        while len(found) < pauses and await _are_going(ours, engines):
            before, started = await _submitted(engines), time.monotonic()
            await asyncio.sleep(_RUNNING_S)
            after = await _submitted(engines)
            rate = (after - before) / (time.monotonic() - started)
            if not await _operated(ours, Operation.PAUSE):
                break
            acknowledged_at = time.monotonic()
            await asyncio.sleep(_QUIET_S)
            last_at = max([(await engine.told()).last_at for engine in engines])
            await _operated(ours, Operation.RESUME)
            if await _are_going(ours, engines):
                found.append((max(0.0, last_at - acknowledged_at) * 1000, rate))
    return found


async def _are_going(ours: Service, engines: "list[_Engine]") -> bool:
    """Wait until every engine submits; False where the batch has ended."""
    before = [(await engine.told()).submitted for engine in engines]
    while True:
        now = [(await engine.told()).submitted for engine in engines]
        if all(n > b for n, b in zip(now, before, strict=True)):
            return True
        if (await ours.store.batch(BATCH_ID)).state.status.has_ended:
            return False
        await asyncio.sleep(0.01)


async def _submitted(engines: "list[_Engine]") -> int:
    return sum([(await engine.told()).submitted for engine in engines])


async def _operated(ours: Service, operation: Operation) -> bool:
    """Carry it out; False where it does not fit any more."""
    try:
        await ours.operate(BATCH_ID, operation)
    except IllegalOperation:
        return False
    return True


class _Engine:
    """An engine process, which tells what it did when it is asked."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def told(self) -> _Told:
        """Ask it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None or self._process.returncode is not None:
            problem = "an engine's process has ended; its message stands above"
            raise RuntimeError(problem)
        stdin.write(b"\n")
        last_at, submitted = (await stdout.readline()).split()
        return _Told(float(last_at), int(submitted))


@asynccontextmanager
async def _engines(url: str) -> AsyncIterator[list[_Engine]]:
    """Start the engine processes; their input's end is theirs."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(_ENGINES):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "bench.stop_postgres", url),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            stack.push_async_callback(drained, process)
            found.append(_Engine(process))
        yield found


async def _deliver(url: str) -> None:
    """Be an engine; say what was submitted at each line that comes in."""
    provider, stop = Noting(), asyncio.Event()
    async with service(url) as ours:
        engine = asyncio.create_task(ours.run(provider, stop))
        while await asyncio.to_thread(sys.stdin.readline):
            print(provider.last_at, provider.submitted, flush=True)  # noqa: T201
        stop.set()
        await engine


if __name__ == "__main__":
    quiet()
    uvloop.run(_deliver(sys.argv[1]))
