"""
Scaling out: 1, 2 and 4 engine processes on one PostgreSQL, and what the database costs.

The provider takes 20 ms a message and 16 at once from each process: 800 messages a
second are the most that one process can do, however fast the machine. So what is
measured is whether processes stand in each other's way. With 32 at once four of them,
PostgreSQL and the provider's server would use most of the two cores of a small machine.

Each process has 16,000 messages to do, 20 s, so that the last chunk, which one process
has to itself, does not count for much. The time is from the moment at which the paused
batches are resumed, all engines at work, to the recorded end of the last. One large
batch is what a user has; eight are the other case: what processes share first is a
batch.
"""

import asyncio
import time
import uuid
from pathlib import Path
from statistics import median
from typing import NamedTuple

import uvloop

from batchwire.domain.lifecycle import Operation, Status
from batchwire.testing.postgres import Cluster
from bench import cpu, lists
from bench.engines import engines, settings
from bench.figure import Figure
from bench.sandbox_server import server
from bench.service import Service, service

_NAME = "workers"
_LATENCY_MS = 20
_CONCURRENCY = 16
_RECIPIENTS = 16_000  # a process
_PROCESSES = (1, 2, 4)
_BATCHES = (1, 8)
_AT_LEAST = 3.6  # of the most processes, beside one
_PROVIDER = "bench"
_GOING_WELL = {Status.DELIVERY_READY, Status.DELIVERY_RUNNING, Status.COMPLETED}
_LOOK_S = 0.2


class _Found(NamedTuple):
    """One delivery: messages a second, and what of the processor one of them took."""

    per_s: float
    database_us: float
    engines_us: float


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Prepare a database for each case; deliver copies of it."""
    cluster = Cluster()
    try:
        cluster.start()
        with server(_LATENCY_MS) as url:
            config = settings(scratch / "settings.yaml", {_PROVIDER: _provider(url)})
            cases = [_case(cluster, config, n, scale, runs) for n in _BATCHES]
        return [figure for figures in cases for figure in figures]
    finally:
        cluster.remove()


def _case(
    cluster: Cluster, config: Path, batches: int, scale: float, runs: int
) -> list[Figure]:
    size = max(1, int(_RECIPIENTS * scale) // batches)
    for processes in _PROCESSES:
        path = lists.plain(config.with_name("list.csv"), size * processes)
        uvloop.run(_prepared(cluster, _origin(batches, processes), path, batches))
    found = [
        {
            n: uvloop.run(_delivered(cluster, _origin(batches, n), config, n))
            for n in (_PROCESSES if i % 2 == 0 else _PROCESSES[::-1])
        }
        for i in range(runs)
    ]
    told = "a batch" if batches == 1 else f"{batches} batches"
    speeds = [_speed(found, told, n) for n in _PROCESSES]
    return [*speeds, _cpu(found, told)] if cpu.is_told() else speeds


def _speed(found: list[dict[int, _Found]], told: str, processes: int) -> Figure:
    case = f"{told}, {processes} process{'es' if processes > 1 else ''}"
    speed = median(one[processes].per_s for one in found)
    if processes == 1:
        return Figure(
            bench=_NAME,
            case=case,
            value=round(speed),
            unit="messages/s",
            runs=len(found),
        )
    return Figure(
        bench=_NAME,
        case=case,
        value=round(speed),
        unit="messages/s",
        floor=round(median(one[1].per_s for one in found)),
        ratio=round(median(one[processes].per_s / one[1].per_s for one in found), 3),
        at_least=_AT_LEAST if processes == max(_PROCESSES) else None,
        runs=len(found),
    )


def _cpu(found: list[dict[int, _Found]], told: str) -> Figure:
    """Say what a message costs the database, and beside it the engines."""
    most = [one[max(_PROCESSES)] for one in found]
    return Figure(
        bench=_NAME,
        case=f"{told}: CPU of PostgreSQL beside the engines'",
        value=round(median(one.database_us for one in most), 1),
        unit="us/message",
        floor=round(median(one.engines_us for one in most), 1),
        ratio=round(median(one.database_us / one.engines_us for one in most), 3),
        runs=len(found),
    )


def _origin(batches: int, processes: int) -> str:
    return f"prepared_{batches}_{processes}"


async def _prepared(cluster: Cluster, name: str, path: Path, batches: int) -> None:
    """Make a database whose batches are prepared, and paused before delivery."""
    await cluster.execute(f"CREATE DATABASE {name}")
    async with service(cluster.url(name), _PROVIDER) as ours:
        for number in range(batches):
            batch_id = f"bench-{number}"
            await ours.take(path, batch_id)
            await ours.prepare(batch_id)
            await ours.operate(batch_id, Operation.PAUSE)


async def _delivered(
    cluster: Cluster, origin: str, config: Path, processes: int
) -> _Found:
    """Deliver a copy of what is prepared."""
    name = f"copy_{uuid.uuid4().hex}"
    await cluster.execute(f"CREATE DATABASE {name} TEMPLATE {origin}")
    url = cluster.url(name)
    async with (
        service(url, _PROVIDER) as ours,
        engines(processes, url, config, ours.store) as pids,
    ):
        before = _used_s(cluster, pids)
        started_at = time.time()
        sent = 0
        for batch in await ours.store.batches():
            sent += sum(batch.counts)
            await ours.operate(batch.spec.batch_id, Operation.RESUME)
        ended_at = await _ended_at(ours)
        after = _used_s(cluster, pids)
    await cluster.execute(f"DROP DATABASE {name}")
    return _Found(
        sent / (ended_at - started_at),
        (after[0] - before[0]) / sent * 1e6,
        (after[1] - before[1]) / sent * 1e6,
    )


def _used_s(cluster: Cluster, pids: list[int]) -> tuple[float, float]:
    if not cpu.is_told():
        return 0.0, 0.0
    return cpu.of_family(cluster.pid), cpu.of_processes(pids)


async def _ended_at(ours: Service) -> float:
    """Wait until every batch is completed; when the last of them was (Unix seconds)."""
    while True:
        states = [batch.state for batch in await ours.store.batches()]
        if all(state.status is Status.COMPLETED for state in states):
            return max(s.ended_at.timestamp() for s in states if s.ended_at)
        for state in states:
            if state.status not in _GOING_WELL:
                problem = f"a batch is {state.status}: {state.reason}"
                raise RuntimeError(problem)
        await asyncio.sleep(_LOOK_S)


def _provider(url: str) -> dict[str, object]:
    return {
        "kind": "http",
        "url": f"{url}/messages",
        "body": {"to": "<to>", "text": "<text>", "key": "<key>"},
        "answer": {"message_id": "id"},
        "concurrency": _CONCURRENCY,
    }
