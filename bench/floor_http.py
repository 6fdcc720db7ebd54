"""
The floors of HTTP delivery: a bare client, our connections alone, and the server alone.

The first two send the same requests at the same concurrency, rendered the same way, and
read the answers; they store nothing and could not say afterwards who got what. The bare
client is pyreqwest, the fastest library that we know of, which sent for us before.
"""

import asyncio
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pyreqwest.client
from pyreqwest.request import ConsumedRequest, RequestBody

from batchwire.adapters.http.client import Client, build_client
from batchwire.adapters.http.settings import HttpSettings
from bench.lists import rows

_PIPELINED = 100
_SOCKETS = 4


def bodies(path: Path) -> Iterator[bytes]:
    """Render the body of each request, as asked for."""
    for i, (to, name, code) in enumerate(rows(path)):
        text = f"Hello {name}, your code is {code}"
        yield msgspec.json.encode({"to": to, "text": text, "key": f"bench:{i}:1"})


async def client_s(url: str, path: Path, concurrency: int) -> float:
    """Send all with the bare client; returns the seconds it took."""
    waiting = bodies(path)
    builder = pyreqwest.client.ClientBuilder().http1_only().no_proxy()
    async with builder.build() as client:
        started = time.perf_counter()
        await asyncio.gather(*(_send(client, url, waiting) for _ in range(concurrency)))
        return time.perf_counter() - started


async def _send(
    client: pyreqwest.client.Client, url: str, waiting: Iterator[bytes]
) -> None:
    headers = {"content-type": "application/json"}
    blank = client.post(f"{url}/messages").headers(headers).build()
    for body in waiting:
        content = RequestBody.from_bytes(body)
        request = ConsumedRequest.from_request_and_body(blank, content)
        response = await request.send()
        if response.status != HTTPStatus.CREATED:
            problem = f"the sandbox server answered {response.status}"
            raise RuntimeError(problem)
        msgspec.json.decode(await response.bytes())


async def connections_s(settings: HttpSettings, path: Path) -> float:
    """Send all over our own connections; returns the seconds it took."""
    waiting = bodies(path)
    client = build_client("bench", settings, str)
    started = time.perf_counter()
    await asyncio.gather(
        *(_exchange(client, waiting) for _ in range(settings.concurrency))
    )
    seconds = time.perf_counter() - started
    client.close()
    return seconds


async def _exchange(client: Client, waiting: Iterator[bytes]) -> None:
    for body in waiting:
        reply = await client.exchange(body)
        if reply.status != HTTPStatus.CREATED:
            problem = f"the sandbox server answered {reply.status}"
            raise RuntimeError(problem)
        msgspec.json.decode(reply.body or b"")


def server_per_s(url: str, path: Path) -> float:
    """Measure what the server takes of a client that is next to nothing (requests/s)."""
    place = urlsplit(url)
    requests = [_raw(body) for body in bodies(path)]
    pieces = [
        b"".join(requests[at : at + _PIPELINED])
        for at in range(0, len(requests), _PIPELINED)
    ]
    sizes = [
        len(requests[at : at + _PIPELINED])
        for at in range(0, len(requests), _PIPELINED)
    ]
    sockets = [
        socket.create_connection((place.hostname or "", place.port or 0))
        for _ in range(_SOCKETS)
    ]
    started = time.perf_counter()
    for at, piece in enumerate(pieces):
        turn = sockets[at % _SOCKETS]
        if at >= _SOCKETS:
            _receive(turn, sizes[at - _SOCKETS])
        turn.sendall(piece)
    for at in range(max(0, len(pieces) - _SOCKETS), len(pieces)):
        _receive(sockets[at % _SOCKETS], sizes[at])
    seconds = time.perf_counter() - started
    for one in sockets:
        one.close()
    return len(requests) / seconds


def _raw(body: bytes) -> bytes:
    head = f"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _receive(source: socket.socket, answers: int) -> None:
    """Read so many answers."""
    seen, rest = 0, b""
    while seen < answers:
        data = source.recv(1 << 20)
        if not data:
            problem = "the sandbox server closed the connection"
            raise RuntimeError(problem)
        rest += data
        seen += rest.count(_CREATED)
        rest = rest[-len(_CREATED) + 1 :]


_CREATED = b"HTTP/1.1 201 "
