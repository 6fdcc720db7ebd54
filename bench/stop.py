"""
Stopping: how long submissions go on after a pause was acknowledged.

The engine runs at full rate here; another process pauses and resumes through
``Control`` on the same file, as a person does from another terminal. Both read the
same monotonic clock.
"""

import asyncio
import shutil
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import fmean

import uvloop

from batchwire.domain.lifecycle import Operation
from batchwire.domain.operations import Command
from batchwire.domain.outcome import Answer, Message
from batchwire.errors import IllegalOperation
from bench import lists
from bench.figure import Figure
from bench.providers import NullProvider
from bench.scratch import fresh
from bench.service import BATCH_ID, Service, prepared, quiet, service

_PAUSES = 100
_RECIPIENTS = 1_500_000  # for a round of some 60 pauses; there are as many as it takes
_AT_MOST_MS = 250.0
_RUNNING_S = 0.1
_QUIET_S = 0.3
_REFUSED = "refused"


class Noting(NullProvider):
    """Takes one message a call, and notes when it was last called."""

    def __init__(self) -> None:
        super().__init__(concurrency=32, batch_size=1)
        self.last_at = 0.0
        self.submitted = 0

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """Answer at once, and remember when."""
        self.last_at = time.monotonic()
        self.submitted += 1
        await asyncio.sleep(0)
        return await super().submit(messages)


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Pause 100 times: these are the runs. One prepared list is delivered repeatedly."""
    del runs
    pauses = max(2, int(_PAUSES * scale))
    source, database = scratch / "prepared.db", scratch / "ours.db"
    size = max(200_000, int(_RECIPIENTS * scale))
    uvloop.run(prepared(source, lists.plain(scratch / "list.csv", size)))
    late_ms, rates = list[float](), list[float]()
    while len(late_ms) < pauses:
        shutil.copyfile(source, fresh(database))
        found = uvloop.run(_measure(database, pauses - len(late_ms)))
        if not found:
            problem = "the batch ended before the first pause had settled"
            raise RuntimeError(problem)
        late_ms += [late for late, _ in found]
        rates += [rate for _, rate in found]
    late_ms.sort()  # p99 is the value that 99 % do not exceed
    return [
        Figure(
            bench="stop",
            case=f"p99 of {pauses} pauses at {fmean(rates):,.0f} messages/s",
            value=round(late_ms[-(-pauses * 99 // 100) - 1], 1),
            unit="ms",
            at_most=_AT_MOST_MS,
            runs=pauses,
        )
    ]


async def _measure(database: Path, pauses: int) -> list[tuple[float, float]]:
    """
    Give of each pause the milliseconds to the last submission, and the rate before.

    Only a pause after which there was something left to submit counts.
    """
    provider, stop = Noting(), asyncio.Event()
    found: list[tuple[float, float]] = []
    async with service(database) as ours, _operator(database) as operate:
        engine = asyncio.create_task(ours.run(provider, stop))
        is_going = await _is_going(ours, provider)
        while is_going and len(found) < pauses:
            before, started = provider.submitted, time.monotonic()
            await asyncio.sleep(_RUNNING_S)
            rate = (provider.submitted - before) / (time.monotonic() - started)
            acknowledged_at = await operate(Operation.PAUSE)
            if acknowledged_at is None:
                break
            await _settled(provider)
            late_ms = max(0.0, provider.last_at - acknowledged_at) * 1000
            await operate(Operation.RESUME)
            is_going = await _is_going(ours, provider)
            if is_going:
                found.append((late_ms, rate))
        stop.set()
        await engine
    return found


async def _is_going(ours: Service, provider: Noting) -> bool:
    """Wait for the next submission; False where the batch has ended."""
    before = provider.submitted
    while provider.submitted == before:
        await asyncio.sleep(0.01)
        if (await ours.store.batch(BATCH_ID)).state.status.has_ended:
            return False
    return True


async def _settled(provider: Noting) -> None:
    """Wait until nothing was submitted for a while."""
    before = -1
    while before != provider.submitted:
        before = provider.submitted
        await asyncio.sleep(_QUIET_S)


@asynccontextmanager
async def _operator(database: Path) -> AsyncIterator["_Operate"]:
    """Start the other process; gives what tells it an operation."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.stop", str(database)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        operate = _Operate(process)
        await operate.heard()
        yield operate
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


class _Operate:
    """Asks for an operation, and says when it was acknowledged (monotonic seconds)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def __call__(self, operation: Operation) -> float | None:
        """Give the moment; None where the batch has ended meanwhile."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{operation.value}\n".encode())
        said = await self.heard()
        return None if said == _REFUSED else float(said)

    async def heard(self) -> str:
        """Wait for the other process to say something."""
        stdout = self._process.stdout
        line = await stdout.readline() if stdout is not None else b""
        if not line:
            problem = "the operator's process has ended; its message stands above"
            raise RuntimeError(problem)
        return line.decode().strip()


async def _operate_by(database: Path) -> None:
    """Carry out what standard input says; answer when each was acknowledged."""
    async with service(database) as ours:
        _say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = Command(
                batch_id=BATCH_ID,
                operation=Operation(line.strip()),
                request_id=uuid.uuid4().hex,
            )
            try:
                await ours.control.operate(command)
            except IllegalOperation:
                _say(_REFUSED)
            else:
                _say(str(time.monotonic()))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    quiet()
    uvloop.run(_operate_by(Path(sys.argv[1])))
