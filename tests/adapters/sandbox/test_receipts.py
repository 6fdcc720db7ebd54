"""Receipts reach whoever asked for them, as an HTTP server sees it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from batchwire.adapters.sandbox import SandboxServer
from batchwire.adapters.sandbox.receipts import Receipts

Serve = Callable[..., Awaitable[SandboxServer]]
Ask = Callable[..., Awaitable[tuple[int, dict[str, str], Any]]]


class Receiver:
    """Takes receipts, after refusing as many requests as it is told to."""

    def __init__(self) -> None:
        self.groups: asyncio.Queue[list[dict[str, str]]] = asyncio.Queue()
        self.refusals = 0
        self.url = ""

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request and close."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        body = await reader.readexactly(size)
        if self.refusals:
            self.refusals -= 1
            writer.write(b"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n")
        else:
            self.groups.put_nowait(msgspec.json.decode(body)["receipts"])
            writer.write(b"HTTP/1.1 204 Fine\r\nConnection: close\r\n\r\n")
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with await asyncio.start_server(receiver.serve, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        receiver.url = f"http://127.0.0.1:{port}/receipts"
        yield receiver


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receipts, "FIRST_PAUSE_S", 0.001)


def message(n: int) -> dict[str, str]:
    return {"to": f"+49171{n:08d}", "text": "Hi", "reference": f"b1:{n}:1"}


async def wait_for_receipts(server: SandboxServer, count: int) -> None:
    while server.stats.receipts_sent + server.stats.receipts_lost < count:  # noqa: ASYNC110 (no event)
        await asyncio.sleep(0.005)


async def test_each_accepted_message_gets_a_receipt_with_its_id_and_reference(
    serve: Serve, ask: Ask, receiver: Receiver
) -> None:
    server = await serve(receipts_url=receiver.url, receipt_delay_ms=1)
    _, _, answer = await ask(server, "POST /messages", message(1))
    assert await receiver.groups.get() == [
        {
            "id": answer["id"],
            "to": "+4917100000001",
            "status": "delivered",
            "reference": "b1:1:1",
            "error_code": "",
        }
    ]
    await wait_for_receipts(server, 1)
    assert server.stats.receipts_sent == 1


async def test_receipts_come_in_groups_and_in_order(
    serve: Serve, ask: Ask, receiver: Receiver
) -> None:
    server = await serve(receipts_url=receiver.url)
    messages = {"messages": [message(n) for n in range(250)]}
    await ask(server, "POST /messages", messages)
    groups = [await receiver.groups.get() for _ in range(3)]
    assert [len(group) for group in groups] == [100, 100, 50]
    numbers = [receipt["to"] for group in groups for receipt in group]
    assert numbers == [it["to"] for it in messages["messages"]]


async def test_closing_survives_a_client_that_loses_a_cancellation(
    serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client does, where it comes at the moment of the answer."""
    posting = asyncio.Event()

    async def post(*_: object) -> bool:
        posting.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return True
        return False

    monkeypatch.setattr(Receipts, "_post", post)
    server = await serve(receipts_url="http://127.0.0.1:1/")
    await ask(server, "POST /messages", message(1))
    await posting.wait()
    async with asyncio.timeout(10):
        await server.stop()


async def test_an_undelivered_message_says_so_with_a_code(
    serve: Serve, ask: Ask, receiver: Receiver
) -> None:
    server = await serve(receipts_url=receiver.url, undelivered_rate=1.0)
    await ask(server, "POST /messages", message(1))
    (receipt,) = await receiver.groups.get()
    assert (receipt["status"], receipt["error_code"]) == ("undelivered", "30003")


async def test_a_refused_message_gets_no_receipt(
    serve: Serve, ask: Ask, receiver: Receiver
) -> None:
    server = await serve(receipts_url=receiver.url, permanent_suffix="1")
    await ask(server, "POST /messages", message(1))
    await ask(server, "POST /messages", message(2))
    (receipt,) = await receiver.groups.get()
    assert receipt["reference"] == "b1:2:1"


@pytest.mark.usefixtures("quick")
async def test_a_receiver_that_fails_for_a_while_gets_its_receipts_later(
    serve: Serve, ask: Ask, receiver: Receiver
) -> None:
    receiver.refusals = Receipts.ATTEMPTS - 1
    server = await serve(receipts_url=receiver.url)
    await ask(server, "POST /messages", message(1))
    assert len(await receiver.groups.get()) == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[bad"])
async def test_receipts_that_nobody_takes_are_counted_as_lost(
    serve: Serve, ask: Ask, url: str
) -> None:
    server = await serve(receipts_url=url)
    await ask(server, "POST /messages", message(1))
    await wait_for_receipts(server, 1)
    assert (server.stats.receipts_sent, server.stats.receipts_lost) == (0, 1)


async def test_beyond_the_limit_of_those_waiting_receipts_are_lost(
    serve: Serve, ask: Ask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Receipts, "WAITING_LIMIT", 2)
    server = await serve(receipts_url=receiver.url, receipt_delay_ms=60_000)
    await ask(server, "POST /messages", {"messages": [message(n) for n in range(5)]})
    assert server.stats.receipts_lost == 3
