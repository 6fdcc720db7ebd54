"""What may happen to a connection within one turn of the loop, on a transport of ours."""

import asyncio
import socket
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from batchwire.adapters.http.client import build_client
from batchwire.adapters.http.connection import Connection, Loss, Pool
from batchwire.adapters.http.settings import HttpSettings
from batchwire.testing.fault_server import FaultServer

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Transport(asyncio.Transport):
    """Keeps what is written; the far end is ``far``."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = socket.socketpair()
        self.written = b""
        self.is_closed = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Give the socket."""
        return self.near if name == "socket" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += data

    def is_closing(self) -> bool:
        """Whether it was aborted."""
        return self.is_closed

    def abort(self) -> None:
        """Close."""
        self.is_closed = True


@pytest.fixture
def pool() -> Pool:
    return Pool(60, 1000)


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport()
    yield made
    made.near.close()
    made.far.close()


@pytest.fixture
async def connection(pool: Pool, transport: Transport) -> Connection:
    made = Connection(pool)
    made.connection_made(transport)
    return made


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


async def test_one_that_has_ended_is_not_written_to(
    connection: Connection, transport: Transport
) -> None:
    transport.abort()
    with pytest.raises(Loss) as lost:
        await connection.ask(b"x", soon())
    assert not lost.value.is_sent
    assert transport.written == b""


async def test_whose_submitter_was_cancelled_serves_nobody_else(
    connection: Connection, transport: Transport, pool: Pool
) -> None:
    connection.ask(b"x", soon()).cancel()
    connection.data_received(ANSWER)
    assert transport.is_closed
    assert pool.take() is None


async def test_who_is_cancelled_in_line_passes_on_what_he_just_got(
    connection: Connection, pool: Pool
) -> None:
    loop = asyncio.get_running_loop()
    gone, also, first, second = (loop.create_future() for _ in range(4))
    pool.waiting.extend((gone, also, first, second))
    gone.cancel()
    pool.leave(gone)
    assert list(pool.waiting) == [also, first, second]
    also.cancel()  # and does not know it yet
    pool.give(connection)
    assert first.result() is connection
    pool.leave(first)  # its task was cancelled with the result there
    assert second.result() is connection


async def test_what_lies_unread_on_a_kept_one_is_seen(
    connection: Connection,
    transport: Transport,
    pool: Pool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool.wary_for = 0
    connection.ask(b"x", soon())
    connection.data_received(ANSWER)
    assert pool.take() is connection
    pool.give(connection)
    transport.far.send(ANSWER)
    monkeypatch.setattr(connection, "_answered_s", 0.0)  # long ago
    assert pool.take() is None
    assert transport.is_closed


async def test_an_answer_that_is_there_when_its_time_is_over_is_read(
    connection: Connection,
) -> None:
    loop = asyncio.get_running_loop()
    asked = connection.ask(b"x", loop.time() + 0.001)
    loop.call_later(0.005, connection.data_received, ANSWER)
    assert (await asked).status == HTTPStatus.OK


async def test_a_place_is_trusted_until_a_connection_ends_right_after_its_answer(
    pool: Pool, transport: Transport
) -> None:
    for ends_unread in (True, False):
        connection = Connection(pool)
        connection.connection_made(transport)
        connection.ask(b"x", soon())
        connection.data_received(ANSWER)
        assert pool.take() is connection
        pool.wary_for = 1
        if ends_unread:
            transport.far.send(ANSWER)
            assert not connection.is_usable
            transport.near.recv(1000)
        else:
            lost = connection.ask(b"x", soon())
            connection.connection_lost(None)
            with pytest.raises(Loss):
                await lost
        assert pool.wary_for > 1
        transport.is_closed = False


async def test_who_is_cancelled_with_his_answer_there_closes_nothing(
    server: FaultServer,
) -> None:
    settings = {"url": server.url, "body": {"to": "<to>", "text": "<text>"}}
    client = build_client("test", HttpSettings.model_validate(settings), str)
    first = asyncio.create_task(client.exchange(b"{}"))
    while not server.requests:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0)
    (connection,) = client._pool.open  # noqa: SLF001 - to be in the turn of the answer
    while connection._waiter is not None:  # noqa: ASYNC110, SLF001
        await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await client.exchange(b"{}")).status == HTTPStatus.OK
    assert server.connections == 1
    client.close()
    await asyncio.sleep(0.01)
