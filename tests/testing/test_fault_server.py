"""The server that other tests trust: it counts whole requests, and only those."""

import asyncio

import pytest

from batchwire.testing.fault_server import (
    FaultServer,
    answer,
    closed_port,
    hang_up,
    in_turn,
    reset,
)

HEAD = b"POST /send HTTP/1.1\r\nIdempotency-Key: k1\r\nContent-Length: 5\r\n\r\n"


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = url.removeprefix("http://").removesuffix("/send").partition(":")
    return await asyncio.open_connection(host, int(port))


async def test_a_request_counts_when_it_is_whole() -> None:
    async with FaultServer() as server:
        reader, writer = await connect(server.url)
        writer.write(HEAD + b"hell")
        await asyncio.sleep(0.02)
        assert server.requests == []
        writer.write(b"o" + HEAD + b"again")
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
        assert [request.body for request in server.requests] == [b"hello", b"again"]
        assert server.received == {"k1": 2}
        assert server.connections == 1
        writer.close()


async def test_the_key_is_the_header_or_a_field_of_the_body() -> None:
    async with FaultServer() as server:
        reader, writer = await connect(server.url)
        body = b'{"key": "k2"}'
        head = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        await reader.readuntil(b'{"id": "id-k2"}')
        assert server.received == {"k2": 1}
        writer.close()


async def test_acts_are_used_up_in_order_before_the_usual_answer() -> None:
    async with FaultServer(otherwise=answer(500, b"")) as server:
        server.will(answer(201, b""), in_turn(answer(202, b""), hang_up))
        reader, writer = await connect(server.url)
        writer.write((HEAD + b"hello") * 2)
        text = await reader.read()
        assert text.index(b"HTTP/1.1 201") < text.index(b"HTTP/1.1 202")
        writer.close()
        reader, writer = await connect(server.url)
        writer.write(HEAD + b"hello")
        assert (await reader.readline()).startswith(b"HTTP/1.1 500")
        writer.close()


async def test_a_reset_is_seen_as_one() -> None:
    async with FaultServer() as server:
        server.will(reset)
        reader, writer = await connect(server.url)
        writer.write(HEAD + b"hello")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert server.received == {"k1": 1}
        writer.close()


async def test_a_closed_port_refuses() -> None:
    with closed_port() as url, pytest.raises(ConnectionRefusedError):
        await connect(url)
