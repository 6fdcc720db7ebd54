"""A provider at a server that misbehaves, on the loops that a host may have."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from batchwire.adapters.http.provider import HttpProvider
from batchwire.adapters.http.settings import HttpSettings
from batchwire.domain.outcome import Message
from batchwire.testing.fault_server import FaultServer

Make = Callable[..., HttpProvider]

BASIS: dict[str, Any] = {
    "body": {"to": "<to>", "text": "<text>", "key": "<key>"},
    "answer": {
        "message_id": "id",
        "error_code": ["code"],
        "error_message": ["message"],
    },
    "connect_timeout_s": 0.4,
    "timeout_s": 0.8,
}


def pytest_asyncio_loop_factories() -> dict[
    str, Callable[[], asyncio.AbstractEventLoop]
]:
    """Run each test of this folder on the loop of our program, and on Python's own."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
async def _goodbyes() -> AsyncIterator[None]:
    """Let what was closed last, on either side, come to its end before the loop does."""
    yield
    await asyncio.sleep(0.02)


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as running:
        yield running


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Give what makes a provider for a URL, with settings on top of ``BASIS``."""
    made: list[HttpProvider] = []

    def provider(
        url: str, environment: dict[str, str] | None = None, **settings: object
    ) -> HttpProvider:
        full = HttpSettings.model_validate({**BASIS, "url": url, **settings})
        made.append(HttpProvider("test", full, environment or {}))
        return made[-1]

    yield provider
    for each in made:
        await each.close()


@pytest.fixture
def message() -> Callable[..., Message]:
    """Give what makes message ``n``."""

    def build(n: int = 0, to: str = "+447700900123", text: str = "Hi Ann") -> Message:
        return Message("b1", n, 1, to, text, 1)

    return build
