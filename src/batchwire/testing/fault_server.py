"""
An HTTP server that misbehaves on purpose and counts what reached it.

It stands for a provider in tests: every request that arrived whole is recorded before
anything else happens, so a test can hold what a client claims against what was received.
Raw asyncio, so that the wire carries exactly what an ``Act`` says, well-formed or not.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self, cast

_LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Received:
    """One whole request; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """Its idempotency key: the header, else ``key`` of a JSON body, else empty."""
        if "idempotency-key" in self.headers:
            return self.headers["idempotency-key"]
        try:
            body = json.loads(self.body)
        except ValueError:
            return ""
        return str(body.get("key", "")) if isinstance(body, dict) else ""


Act = Callable[[Received, asyncio.Transport], Coroutine[Any, Any, None]]
NOTHING = Received("", "", {}, b"")  # what an act on a new connection is given


async def reset(_: Received, transport: asyncio.Transport) -> None:
    """End the connection with RST."""
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


async def hang_up(_: Received, transport: asyncio.Transport) -> None:
    """End the connection with FIN."""
    transport.close()


async def say_nothing(_: Received, __: asyncio.Transport) -> None:
    """Keep the connection and never answer."""


def answer(
    status: int = 200,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    length: int | None = None,
) -> Act:
    """
    Answer with ``body``; None is ``{"id": "id-KEY"}``.

    ``length`` is the Content-Length to claim instead of the true one.
    """

    async def act(request: Received, transport: asyncio.Transport) -> None:
        text = (
            json.dumps({"id": f"id-{request.key}"}).encode() if body is None else body
        )
        told = {"content-length": str(len(text) if length is None else length)}
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [
            f"{name}: {value}" for name, value in (told | (headers or {})).items()
        ]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        transport.write(head + text)

    return act


def half_answer(then: Act = reset) -> Act:
    """Send the first half of an answer's body, then do ``then``."""
    return in_turn(answer(body=b'{"id": "id', length=30), wait(0.02), then)


def raw(text: bytes) -> Act:
    """Send ``text`` as it is."""

    async def act(_: Received, transport: asyncio.Transport) -> None:
        transport.write(text)

    return act


def drip(pause_s: float) -> Act:
    """Answer byte by byte, with a pause before each."""
    text = b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"id":"m1"}'
    return in_turn(
        *(in_turn(wait(pause_s), raw(text[n : n + 1])) for n in range(len(text)))
    )


def wait(delay_s: float) -> Act:
    """Do nothing for a while."""

    async def act(_: Received, __: asyncio.Transport) -> None:
        await asyncio.sleep(delay_s)

    return act


def in_turn(*acts: Act) -> Act:
    """One act after the other."""

    async def act(request: Received, transport: asyncio.Transport) -> None:
        for step in acts:
            await step(request, transport)

    return act


class FaultServer:
    """
    Serves while used as an async context manager.

    ``will`` queues acts for the next requests; when the queue is empty each request gets
    ``otherwise``. ``on_connect`` happens to each new connection before anything is read.
    """

    def __init__(
        self,
        *,
        otherwise: Act | None = None,
        on_connect: Act | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._otherwise = otherwise or answer()
        self._on_connect = on_connect
        self._tls = tls
        self._queue: deque[Act] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", 0, ssl=self._tls
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _turn in range(2):  # of those that were being accepted some come only now
            for transport in self._transports:
                transport.abort()
            await asyncio.sleep(0.01)  # let the aborted transports say goodbye
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where it listens."""
        port = self._server.sockets[0].getsockname()[1]
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{port}/send"

    @property
    def open_connections(self) -> int:
        """How many connections are open by now."""
        return len(self._transports)

    @property
    def received(self) -> Counter[str]:
        """How many whole requests arrived, by idempotency key."""
        return Counter(request.key for request in self.requests)

    def will(self, *acts: Act) -> None:
        """Do these to the next requests, one each."""
        self._queue.extend(acts)

    def connected(self, transport: asyncio.Transport) -> None:
        """Count a connection (called by it)."""
        self.connections += 1
        self._transports.add(transport)
        if self._on_connect is not None:
            self._start(self._on_connect, NOTHING, transport)

    def took(self, request: Received, transport: asyncio.Transport) -> None:
        """Record a whole request, then act on it (called by its connection)."""
        self.requests.append(request)
        act = self._queue.popleft() if self._queue else self._otherwise
        self._start(act, request, transport)

    def lost(self, transport: asyncio.Transport) -> None:
        """Forget a connection that is closed (called by it)."""
        self._transports.discard(transport)

    def _start(self, act: Act, request: Received, transport: asyncio.Transport) -> None:
        task = asyncio.get_running_loop().create_task(act(request, transport))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Connection(asyncio.Protocol):
    def __init__(self, server: FaultServer) -> None:
        self._server = server
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connected(self._transport)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (whole := _first_request(self._unread)) is not None:
            request, size = whole
            self._unread = self._unread[size:]
            self._server.took(request, self._transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._server.lost(self._transport)


def _first_request(data: bytes) -> tuple[Received, int] | None:
    """Return the first request and its size in bytes, or None until it is whole."""
    head, end, rest = data.partition(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", "0"))
    if not end or len(rest) < length:
        return None
    method, target, _ = start.split(" ")
    size = len(head) + len(end) + length
    return Received(method, target, headers, rest[:length]), size


@contextmanager
def closed_port() -> Iterator[str]:
    """Give a URL where connections are refused: its port is taken, nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/send"
