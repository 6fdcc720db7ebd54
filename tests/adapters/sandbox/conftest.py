"""A running sandbox server, and a way to ask it over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from batchwire.adapters.sandbox import Behaviour, SandboxServer, ServerSettings

Answered = tuple[int, dict[str, str], Any]
Serve = Callable[..., Awaitable[SandboxServer]]
Ask = Callable[..., Awaitable[Answered]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Give what starts a server with a behaviour."""
    running: list[SandboxServer] = []

    async def start(**behaviour: object) -> SandboxServer:
        settings = ServerSettings(behaviour=Behaviour().changed(behaviour))
        running.append(SandboxServer(settings))
        await running[-1].start()
        return running[-1]

    yield start
    for server in running:
        await server.stop()


async def read_answer(reader: asyncio.StreamReader) -> Answered:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers["content-length"]))
    return int(first.split()[1]), headers, json.loads(body)


@pytest.fixture
def read() -> Callable[[asyncio.StreamReader], Awaitable[Answered]]:
    """Give what reads one answer: status, headers, decoded body."""
    return read_answer


@pytest.fixture
def ask() -> Ask:
    """Give what sends one request on a connection of its own and reads the answer."""

    async def exchange(
        server: SandboxServer,
        request: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Host": "sandbox", "Content-Length": str(len(data))}
        lines = [f"{k}: {v}" for k, v in {**fields, **(headers or {})}.items()]
        head = "\r\n".join([f"{request} HTTP/1.1", *lines, "", ""])
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            writer.write(head.encode() + data)
            return await read_answer(reader)
        finally:
            writer.close()

    return exchange
