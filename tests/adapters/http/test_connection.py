"""Connections: how an answer ends, what stands behind it, when nobody is asked again."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from batchwire.adapters.http.provider import HttpProvider
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.testing.fault_server import (
    Act,
    FaultServer,
    answer,
    hang_up,
    in_turn,
    raw,
    say_nothing,
    wait,
)

Make = Callable[..., HttpProvider]
Build = Callable[..., Message]
TAKEN = b'{"id": "m1"}'
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n" + TAKEN
OTHER = b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"id": "other"}'
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def submit(provider: HttpProvider, message: Message) -> Answer:
    await provider.open()
    (given,) = await provider.submit([message])
    return given


def piecewise(text: bytes) -> Act:
    """Send ``text`` byte by byte."""
    return in_turn(
        *(
            in_turn(raw(text[n : n + 1]), wait(0.001))  # each in a segment of its own
            for n in range(len(text))
        )
    )


@pytest.mark.parametrize(
    ("act", "connections"),
    [
        (raw(WHOLE), 1),
        (piecewise(WHOLE), 1),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE), 1),
        (raw(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + WHOLE), 1),
        (piecewise(b"HTTP/1.1 102 Processing\r\n\r\n" + WHOLE), 1),
        (raw(CHUNKED + b'5\r\n{"id"\r\n7\r\n: "m1"}\r\n0\r\n\r\n'), 1),
        (piecewise(CHUNKED + b'c;x=y\r\n{"id": "m1"}\r\n0\r\nx: y\r\n\r\n'), 1),
        (raw(CHUNKED + b'c \r\n{"id": "m1"}\r\n0\r\n\r\n'), 1),
        (raw(WHOLE.replace(b"\r\n", b"\n")), 1),
        (raw(WHOLE.replace(b"1.1", b"1.0")), 2),
        (raw(WHOLE.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)), 2),
        (in_turn(raw(b"HTTP/1.1 200 OK\r\n\r\n" + TAKEN), hang_up), 2),
        (in_turn(raw(b"HTTP/1.0 200 OK\r\n\r\n"), wait(0.02), raw(TAKEN), hang_up), 2),
    ],
)
async def test_an_answer_ends_where_it_says_and_its_connection_is_used_again_or_not(
    server: FaultServer, make: Make, message: Build, act: Act, connections: int
) -> None:
    server.will(act)
    provider = make(server.url, timeout_s=5)
    first = await submit(provider, message(0))
    assert (first.verdict, first.provider_message_id) == (Verdict.ACCEPTED, "m1")
    assert (await submit(provider, message(1))).provider_message_id == "id-b1:1:1"
    assert server.connections == connections
    assert server.received == {message(0).key: 1, message(1).key: 1}


@pytest.mark.parametrize(
    "act",
    [
        in_turn(raw(CHUNKED + b'c\r\n{"id": "m1"}\r\n'), hang_up),  # no last chunk
        in_turn(raw(CHUNKED + b'20\r\n{"id": "m1"}\r\n'), hang_up),
        in_turn(raw(WHOLE[:-1]), hang_up),
        in_turn(raw(b"HTTP/1.1 200 OK\r\n"), hang_up),
        raw(WHOLE.replace(b"12", b"12\r\ncontent-length: 7")),
        raw(WHOLE.replace(b"12", b"-1")),
        raw(CHUNKED + b"xyz\r\n" + TAKEN),
        raw(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 2_000_000),
        piecewise(b"\0"),
    ],
)
async def test_an_answer_that_is_not_whole_is_uncertain(
    server: FaultServer, make: Make, message: Build, act: Act
) -> None:
    server.will(act)
    given = await submit(make(server.url), message())
    assert given.verdict is Verdict.UNCERTAIN
    assert server.received == {message().key: 1}


@pytest.mark.parametrize(
    "behind",
    [OTHER, OTHER[:20], OTHER[:-3], OTHER + OTHER, b"\0", b"HTTP/1.1 100 Continue\r\n"],
)
@pytest.mark.parametrize("pause_s", [0, 0.05])
async def test_what_stands_behind_an_answer_never_answers_the_next_message(
    server: FaultServer, make: Make, message: Build, behind: bytes, pause_s: float
) -> None:
    later = in_turn(raw(WHOLE), wait(pause_s), raw(behind))
    server.will(later if pause_s else raw(WHOLE + behind))
    provider = make(server.url)
    assert (await submit(provider, message(0))).provider_message_id == "m1"
    async with asyncio.timeout(5):
        # else "behind" might come behind the next request
        while server.open_connections:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
    assert (await submit(provider, message(1))).provider_message_id == "id-b1:1:1"
    assert server.connections == 2


async def test_a_header_behind_an_answer_is_none_of_it(
    server: FaultServer, make: Make, message: Build
) -> None:
    head = b"HTTP/1.1 429 No\r\ncontent-length: 0\r\n"
    server.will(raw(head + b"\r\n" + head + b"retry-after: 777\r\n\r\n"))
    given = await submit(make(server.url), message())
    assert (given.verdict, given.retry_after_s) == (Verdict.THROTTLED, None)


async def test_a_kept_connection_is_closed_when_its_time_is_over(
    server: FaultServer, make: Make, message: Build
) -> None:
    provider = make(server.url, keep_alive_s=0.1, timeout_s=5)
    for n in range(5):  # used again and again it stays
        assert (await submit(provider, message(n))).verdict is Verdict.ACCEPTED
        await asyncio.sleep(0.04)
    assert server.connections == 1
    assert server.open_connections == 1
    await asyncio.sleep(0.3)
    assert server.open_connections == 0


async def test_as_many_connections_as_messages_at_once_and_all_are_used_again(
    server: FaultServer, make: Make, message: Build
) -> None:
    provider = make(server.url, timeout_s=5)
    server.will(*[in_turn(wait(0.1), answer())] * 5)
    await provider.open()
    for _ in range(2):
        calls = [provider.submit([message(n)]) for n in range(5)]
        for (given,) in await asyncio.gather(*calls):
            assert given.verdict is Verdict.ACCEPTED
    assert server.connections == 5


async def test_a_message_under_way_when_the_provider_closes_is_uncertain(
    server: FaultServer, make: Make, message: Build
) -> None:
    provider = make(server.url, timeout_s=5)
    server.will(say_nothing)
    waiting = asyncio.create_task(submit(provider, message()))
    await asyncio.sleep(0.1)
    await provider.close()
    assert (await waiting).verdict is Verdict.UNCERTAIN
    await asyncio.sleep(0.05)
    assert server.open_connections == 0


@contextmanager
def speaker(*said: tuple[bytes, float], ends: bool = False) -> Iterator[str]:
    """Serve one connection in a thread: read a little, then speak, with pauses."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            listening.close()
            with connection:
                connection.recv(100)
                for text, pause_s in said:
                    time.sleep(pause_s)
                    connection.sendall(text)
                if not ends:
                    connection.recv(1)

        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield url
    thread.join(10)


async def test_an_answer_that_came_while_we_stood_still_counts(
    make: Make, message: Build
) -> None:
    with speaker((WHOLE, 0.1)) as url:
        provider = make(url, timeout_s=0.5)
        waiting = asyncio.create_task(submit(provider, message()))
        await asyncio.sleep(0.05)
        time.sleep(1)  # noqa: ASYNC251 this stands still
        assert (await waiting).verdict is Verdict.ACCEPTED
        await provider.close()


async def test_an_answer_before_the_request_is_read_counts_and_ends_the_connection(
    make: Make, message: Build
) -> None:
    connections = 0
    is_over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(100)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.write(b'HTTP/1.1 401 No\r\ncontent-length: 12\r\n\r\n{"code": 7 }')
        await is_over.wait()
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, limit=100) as server:
        provider = make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        for text in ("x" * 20_000_000, "Hi"):
            given = await submit(provider, message(text=text))
            assert (given.verdict, given.error_code) == (Verdict.CONFIGURATION, "7")
        await provider.close()
        is_over.set()
        await asyncio.sleep(0.05)  # let the aborted ones say goodbye
    assert connections == 2


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nx: ", b"\r\n", b"HTTP/1.1 200 "])
async def test_a_head_without_end_is_not_read_until_the_time_is_over(
    server: FaultServer, make: Make, message: Build, head: bytes
) -> None:
    server.will(raw(head + head[-1:] * 200_000))
    provider = make(server.url, timeout_s=60, max_answer_bytes=1000)
    given = await asyncio.wait_for(submit(provider, message()), 10)
    assert (given.verdict, given.error_code) == (Verdict.UNCERTAIN, "connection_lost")
    assert "no end" in given.error_message or "no HTTP" in given.error_message


@pytest.mark.parametrize("upgrade", [b"", b"connection: upgrade\r\nupgrade: x\r\n"])
async def test_a_connection_that_speaks_something_else_now_is_not_asked_again(
    server: FaultServer, make: Make, message: Build, upgrade: bytes
) -> None:
    server.will(raw(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\n"))
    provider = make(server.url)
    assert (await submit(provider, message(0))).verdict is Verdict.UNCERTAIN
    assert (await submit(provider, message(1))).verdict is Verdict.ACCEPTED
    assert server.connections == 2


@pytest.mark.parametrize("late", [OTHER, b""])
async def test_what_came_while_we_stood_still_answers_no_message(
    make: Make, message: Build, late: bytes
) -> None:
    with speaker((WHOLE, 0), (late, 0.1), ends=not late) as url:
        provider = make(url, timeout_s=5)
        assert (await submit(provider, message(0))).provider_message_id == "m1"
        time.sleep(0.4)  # noqa: ASYNC251 this stands still
        given = await submit(provider, message(1))
        assert given.verdict is Verdict.CONNECTION  # the server takes one connection
        await provider.close()


async def test_a_provider_that_closes_without_saying_so_is_noticed(
    make: Make, message: Build
) -> None:
    async with FaultServer(otherwise=in_turn(answer(), hang_up)) as server:
        provider = make(server.url, timeout_s=5)
        verdicts = [(await submit(provider, message(n))).verdict for n in range(200)]
        accepted = verdicts.count(Verdict.ACCEPTED)
        assert set(verdicts) <= {Verdict.ACCEPTED, Verdict.UNCERTAIN}
        assert accepted > 100
        assert server.received.total() == accepted
