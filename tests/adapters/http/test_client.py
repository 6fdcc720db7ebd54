"""Who waits for a connection takes the first that is free, a new one or a used one."""

import asyncio
import gc
from collections.abc import Callable

import pytest

from batchwire.adapters.http.client import Client, build_client
from batchwire.adapters.http.connection import Connection, Loss
from batchwire.adapters.http.provider import HttpProvider
from batchwire.adapters.http.route import Route
from batchwire.adapters.http.settings import HttpSettings
from batchwire.domain.outcome import Message
from batchwire.testing.fault_server import FaultServer, answer, in_turn, wait

Build = Callable[..., Message]


class Slow(Route):
    """Connects the first so many times only; after that it never ends, or is refused."""

    __slots__ = ()
    most = 1
    begun = 0
    refuses = False

    async def connect(self, make: Callable[[], Connection]) -> Connection:
        """Count, and connect or not."""
        Slow.begun += 1
        if Slow.begun > Slow.most:
            if Slow.refuses:
                raise ConnectionRefusedError(111, "refused")
            await asyncio.Event().wait()
        return await Route.connect(self, make)


@pytest.fixture
async def client(
    request: pytest.FixtureRequest, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> Client:
    """Give a client, with settings that a test may add to."""
    monkeypatch.setattr(Slow, "begun", 0)
    monkeypatch.setattr("batchwire.adapters.http.route.Route", Slow)
    settings = HttpSettings.model_validate(
        {
            "url": server.url,
            "body": {"to": "<to>", "text": "<text>"},
            "connect_timeout_s": 0.5,
            "timeout_s": 5,
            **getattr(request, "param", {}),
        }
    )
    return build_client("test", settings, str)


async def test_one_connection_serves_all_when_no_other_comes_about(
    server: FaultServer, client: Client
) -> None:
    replies = await asyncio.gather(*(client.exchange(b"{}") for _ in range(50)))
    assert {reply.status for reply in replies} == {200}
    assert server.connections == 1
    assert Slow.begun == 33  # the one that came about, and 32 that were on their way


async def test_who_waits_in_vain_has_surely_sent_nothing(
    server: FaultServer, client: Client
) -> None:
    server.will(in_turn(wait(1), answer()))
    first = asyncio.create_task(client.exchange(b"{}"))
    await asyncio.sleep(0.05)
    with pytest.raises(Loss) as lost:
        await client.exchange(b"{}")
    assert (lost.value.is_sent, lost.value.is_late) == (False, True)
    assert (await first).status == 200
    assert len(server.requests) == 1


async def test_a_connection_that_nobody_waits_for_any_more_serves_the_next(
    server: FaultServer, client: Client
) -> None:
    gone = asyncio.create_task(client.exchange(b"{}"))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await asyncio.sleep(0.1)
    assert (await client.exchange(b"{}")).status == 200
    assert (server.connections, Slow.begun) == (1, 1)


async def test_who_waits_when_the_client_is_closed_has_surely_sent_nothing(
    server: FaultServer, client: Client
) -> None:
    Slow.begun = Slow.most
    waiting = [asyncio.create_task(client.exchange(b"{}")) for _ in range(2)]
    await asyncio.sleep(0.05)
    client.close()
    for each in waiting:
        with pytest.raises(Loss, match="closed") as lost:
            await each
        assert not lost.value.is_sent
    assert server.connections == 0


@pytest.mark.parametrize("client", [{"keep_alive_s": 0}], indirect=True)
async def test_where_none_is_kept_nobody_takes_one_that_was_used(
    server: FaultServer, client: Client
) -> None:
    first, second = (asyncio.create_task(client.exchange(b"{}")) for _ in range(2))
    assert (await first).status == 200
    with pytest.raises(Loss, match="in time"):
        await second
    assert server.connections == len(server.requests) == 1


async def test_where_no_more_are_taken_those_that_are_do_all_the_work(
    server: FaultServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slow, "refuses", True)
    await client.exchange(b"{}")
    server.will(*[in_turn(wait(0.01), answer())] * 20)
    replies = await asyncio.gather(*(client.exchange(b"{}") for _ in range(20)))
    assert {reply.status for reply in replies} == {200}
    assert server.connections == 1
    assert Slow.begun <= 21  # refused ones are not tried again at once
    client.close()
    await asyncio.sleep(0.05)
    with pytest.raises(Loss, match="refused"):  # none is at work
        await client.exchange(b"{}")


async def test_who_waits_in_vain_hears_why_no_further_connection_is_made(
    server: FaultServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slow, "refuses", True)
    await client.exchange(b"{}")
    server.will(in_turn(wait(1), answer()))
    busy = asyncio.create_task(client.exchange(b"{}"))
    await asyncio.sleep(0.05)
    with pytest.raises(Loss, match="refused") as lost:
        await client.exchange(b"{}")
    assert not lost.value.is_sent
    assert (await busy).status == 200


async def test_a_closed_connection_is_gone_without_the_garbage_collector(
    server: FaultServer, make: Callable[..., HttpProvider], message: Build
) -> None:
    gc.collect()
    gc.disable()
    try:
        provider = make(server.url, keep_alive_s=0)
        await provider.open()
        for n in range(10):
            await provider.submit([message(n)])
            await asyncio.sleep(0.01)
        left = [one for one in gc.get_objects() if isinstance(one, Connection)]
    finally:
        gc.enable()
    assert len(left) <= 1
