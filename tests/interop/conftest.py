"""Services in other languages, which know nothing of us, and ours beside them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE
from uuid import uuid4

import pytest

from batchwire.testing.kafka.fixtures import or_skip
from batchwire.testing.kafka.jars import jars
from batchwire.testing.kafka.programs import java

JAVA = Path(__file__).with_name("PlainService.java")
# A bound, not a measure: the JVM compiles the program at each start.
PATIENCE_S = 90.0

Run = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
def java_command() -> Iterator[Sequence[str]]:
    """Give the command of the Java service: kafka-clients is among the broker's jars."""
    with or_skip():
        flags = ("-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8")
        yield (java(), *flags, "-cp", f"{jars()}/*", str(JAVA))


@pytest.fixture
def java_service(java_command: Sequence[str]) -> Run:
    """Run the Java service with arguments and standard input; gives what it printed."""

    async def run(*arguments: str, given: str = "") -> str:
        return await output(*java_command, *arguments, given=given)

    return run


@pytest.fixture
async def serving(kafka: str, topic: str, tmp_path: Path) -> AsyncIterator[None]:
    """Have ``batchwire serve`` on the topic while the test runs."""
    settings = {
        "KAFKA_BROKERS": kafka,
        "KAFKA_TOPIC": topic,
        "KAFKA_GROUP_ID": f"group-{uuid4().hex}",
        "KAFKA_CONSUMERS": "1",
    }
    with (tmp_path / "said").open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batchwire", "serve"),
            cwd=tmp_path,
            env={**os.environ, **settings},
            stdin=DEVNULL,
            stdout=said,
            stderr=said,
        )
        try:
            yield
        finally:
            process.kill()
            await process.wait()


async def output(*command: str, given: str = "", cwd: Path | None = None) -> str:
    """Run a program to its end; gives what it printed, or fails with what it said."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            printed, said = await process.communicate(given.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, said.decode(errors="replace")[-3000:]
    return printed.decode()
