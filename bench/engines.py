"""Engines as a user starts them: ``batchwire serve --roles engine``, each a process."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from batchwire.ports.workers import Workers


def settings(path: Path, providers: Mapping[str, object]) -> Path:
    """Write the settings of engines with these providers."""
    path.write_bytes(msgspec.json.encode({"providers": providers}))  # JSON is YAML
    return path


@asynccontextmanager
async def engines(
    count: int, database: str, config: Path, workers: Workers
) -> AsyncIterator[list[int]]:
    """
    Start so many engines on a database; gives their process ids once all are at work.

    They drain at the end.
    """
    async with AsyncExitStack() as stack:
        started = []
        for _ in range(count):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "batchwire"),
                *("--config", str(config), "--database", database),
                *("serve", "--roles", "engine", "--end-with-stdin"),
                stdin=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            stack.push_async_callback(drained, process)
            started.append(process)
        while len(await workers.living()) < count:
            if any(one.returncode is not None for one in started):
                problem = f"an engine did not start on {database} with {config}"
                raise RuntimeError(problem)
            await asyncio.sleep(0.01)
        yield [one.pid for one in started]


async def drained(process: asyncio.subprocess.Process) -> None:
    """Let a process end that ends with its standard input."""
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
