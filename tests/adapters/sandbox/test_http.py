"""HTTP/1.1 as the sandbox server speaks it, the requests that are none included."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from batchwire.adapters.sandbox import SandboxServer
from batchwire.adapters.sandbox.requests import RequestReader

Answered = tuple[int, dict[str, str], Any]
Serve = Callable[..., Awaitable[SandboxServer]]
Ask = Callable[..., Awaitable[Answered]]
Read = Callable[[asyncio.StreamReader], Awaitable[Answered]]

BODY = b'{"to":"+491711","text":"Hey"}'
REQUEST = b"POST /messages HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


async def answers_to(server: SandboxServer, sent: bytes, read: Read) -> list[Answered]:
    """Send this, and read answers until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    answers = []
    while not reader.at_eof():
        try:
            answers.append(await read(reader))
        except asyncio.IncompleteReadError:
            break
    writer.close()
    return answers


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /stats HTTP/9.9\r\n\r\n", 400),
        (b"POST /messages HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /messages HTTP/1.1\r\nContent-Length: 1\r\n" * 2 + b"\r\n", 400),
        (b"POST /messages HTTP/1.1\r\n\r\n", 411),
        (
            b"POST /messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1d\r\n" + BODY + b"\r\n0\r\n\r\n",
            411,
        ),
        (b"POST /messages HTTP/1.1\r\nContent-Length: 16777217\r\n\r\n{", 413),
    ],
)
async def test_what_cannot_be_read_is_answered_and_ends_the_connection(
    serve: Serve, read: Read, sent: bytes, status: int
) -> None:
    server = await serve()
    ((answered, headers, body),) = await answers_to(server, sent, read)
    assert (answered, headers["connection"]) == (status, "close")
    assert body["error"]["code"] == f"http_{status}"
    assert server.stats.accepted == 0


async def test_a_body_of_16_mib_is_read(serve: Serve, ask: Ask) -> None:
    server = await serve()
    body = BODY.ljust(16 * 1024 * 1024)
    assert (await ask(server, "POST /messages", body))[0] == 201


async def test_a_client_that_sends_too_much_can_still_read_why(
    serve: Serve, ask: Ask
) -> None:
    server = await serve()
    body = BODY.ljust(17 * 1024 * 1024)
    assert (await ask(server, "POST /messages", body))[0] == 413


@pytest.mark.parametrize(
    ("request_line", "status", "allow"),
    [
        ("GET /", 404, None),
        ("POST /messages/1", 404, None),
        ("GET /messages", 405, "POST"),
        ("POST /stats", 405, "GET, DELETE"),
        ("DELETE /behaviour", 405, "GET, PUT"),
    ],
)
async def test_unknown_paths_and_wrong_methods_are_said_to_be_so(
    serve: Serve, ask: Ask, request_line: str, status: int, allow: str | None
) -> None:
    answered, headers, _ = await ask(await serve(), request_line)
    assert (answered, headers.get("allow")) == (status, allow)


async def test_pipelined_requests_are_all_answered_in_order(
    serve: Serve, read: Read
) -> None:
    server = await serve()
    last = b"GET /stats HTTP/1.1\r\nConnection: close\r\n\r\n"
    answers = await answers_to(server, REQUEST * 500 + last, read)
    assert [status for status, _, _ in answers] == [201] * 500 + [200]
    assert answers[-1][2]["accepted"] == 500


async def test_requests_before_an_unreadable_one_are_answered(
    serve: Serve, read: Read
) -> None:
    answers = await answers_to(await serve(), REQUEST * 2 + b"nonsense\r\n", read)
    assert [status for status, _, _ in answers] == [201, 201, 400]


async def test_an_upgrade_is_declined_and_the_connection_goes_on(
    serve: Serve, read: Read
) -> None:
    upgrade = b"GET /stats HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    sent = upgrade * 2 + REQUEST.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    answers = await answers_to(await serve(), sent, read)
    assert [status for status, _, _ in answers] == [200, 200, 201]


def test_any_number_of_upgrades_may_come_at_once() -> None:
    upgrade = b"GET /stats HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    reader = RequestReader()
    assert len(reader.feed(upgrade * 3000)) == 3000
    assert reader.unreadable is None


async def test_nothing_after_a_closing_request_is_done(
    serve: Serve, read: Read
) -> None:
    server = await serve()
    closing = REQUEST.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    assert len(await answers_to(server, closing + REQUEST, read)) == 1
    assert server.stats.accepted == 1


async def test_a_request_may_come_a_byte_at_a_time(serve: Serve, read: Read) -> None:
    server = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for byte in REQUEST:
        writer.write(bytes((byte,)))
        await asyncio.sleep(0)
    assert (await read(reader))[0] == 201
    writer.close()


async def test_a_client_that_waits_for_100_continue_gets_it(
    serve: Serve, read: Read
) -> None:
    server = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head, _, body = REQUEST.partition(b"\r\n\r\n")
    writer.write(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await read(reader))[0] == 201
    writer.close()


async def test_a_client_that_reads_no_answers_is_not_read_until_it_does(
    serve: Serve, read: Read
) -> None:
    server = await serve()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=client, limit=4096)
    count = 60_000  # their answers are twice what the system buffers
    writer.write(REQUEST * count)
    before = -1
    while before < server.stats.accepted:
        before = server.stats.accepted
        await asyncio.sleep(0.1)
    assert before < count
    for _ in range(count):
        assert (await read(reader))[0] == 201
    assert server.stats.accepted == count
    writer.close()
