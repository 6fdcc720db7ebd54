"""``POST /messages``: what is accepted, and what the answers look like."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from pyreqwest.client import ClientBuilder

from batchwire.adapters.sandbox import SandboxServer

Serve = Callable[..., Awaitable[SandboxServer]]
Ask = Callable[..., Awaitable[tuple[int, dict[str, str], Any]]]

ANN = {"to": "+4917100000001", "text": "Hi Ann"}
BOB = {"to": "+4917100000002", "text": "Hi Bob"}


async def test_a_message_is_accepted_with_an_id_of_32_hex_digits(
    serve: Serve, ask: Ask
) -> None:
    server = await serve()
    status, headers, body = await ask(server, "POST /messages", ANN)
    assert status == 201
    assert headers["content-type"] == "application/json"
    assert body["status"] == "accepted"
    assert re.fullmatch("[0-9a-f]{32}", body["id"])


async def test_the_same_key_gets_the_same_answer_and_is_accepted_once(
    serve: Serve, ask: Ask
) -> None:
    server = await serve()
    key = {"Idempotency-Key": "b1:0:1"}
    _, _, first = await ask(server, "POST /messages", ANN, key)
    status, _, second = await ask(server, "POST /messages", ANN, key)
    assert (status, second) == (201, first)
    assert (server.stats.accepted, server.stats.duplicates) == (1, 1)


async def test_a_refusal_for_good_is_repeated_by_its_key(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(permanent_suffix="01")
    key = {"idempotency-key": "b1:0:1"}
    first = await ask(server, "POST /messages", ANN, key)
    assert await ask(server, "POST /messages", ANN, key) == first
    assert (server.stats.failed_permanent, server.stats.duplicates) == (1, 1)


async def test_a_transient_answer_is_not_remembered_by_its_key(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(transient_suffix="01")
    key = {"Idempotency-Key": "b1:0:1"}
    assert (await ask(server, "POST /messages", ANN, key))[0] == 503
    assert (await ask(server, "POST /messages", ANN, key))[0] == 201


async def test_without_a_key_a_message_is_accepted_as_often_as_it_comes(
    serve: Serve, ask: Ask
) -> None:
    server = await serve()
    ids = {(await ask(server, "POST /messages", ANN))[2]["id"] for _ in range(3)}
    assert len(ids) == 3
    assert server.stats.recipients == {ANN["to"]: 3}
    assert server.stats.repeated_recipients == 1


async def test_keys_mean_nothing_where_none_is_remembered(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(remembered_keys=0)
    for _ in range(2):
        await ask(server, "POST /messages", ANN, {"Idempotency-Key": "k"})
    assert server.stats.accepted == 2


async def test_several_messages_are_answered_in_order(serve: Serve, ask: Ask) -> None:
    server = await serve(permanent_suffix="02")
    messages = {"messages": [ANN, BOB, {**ANN, "key": "k"}, {**ANN, "key": "k"}]}
    status, _, body = await ask(server, "POST /messages", messages)
    assert status == 207
    ann, bob, first, again = body["messages"]
    assert ann["status"] == "accepted"
    assert bob["error"]["code"] == "30005"
    assert first["id"] == again["id"] != ann["id"]


async def test_several_messages_that_are_all_accepted_are_a_200(
    serve: Serve, ask: Ask
) -> None:
    server = await serve()
    messages = {"messages": [ANN, BOB]}
    status, _, body = await ask(server, "POST /messages", messages)
    assert status == 200
    assert len({item["id"] for item in body["messages"]}) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"to":"\xff","text":"x"}',
        b'{"x":' + b"[" * 100_000,
        {},
        {"to": "+491"},
        {"to": "+491", "text": ""},
        {"to": 491, "text": "x"},
        {"messages": []},
        {"messages": [{"to": "", "text": "x"}]},
        {"messages": [ANN, {"to": "+491"}]},
    ],
)
async def test_an_unusable_body_is_a_400_and_accepts_nothing(
    serve: Serve, ask: Ask, body: object
) -> None:
    server = await serve()
    status, _, answer = await ask(server, "POST /messages", body)
    assert status == 400
    assert answer["error"]["code"] == "http_400"
    assert answer["error"]["message"]
    assert (server.stats.accepted, server.stats.bad_requests) == (0, 1)


async def test_every_one_of_many_clients_gets_its_own_answer(serve: Serve) -> None:
    server = await serve()
    async with ClientBuilder().build() as client:

        async def submit(n: int) -> str:
            body = {"to": f"+49171{n:08d}", "text": 'é 😀 \\ " \n'}
            request = client.post(f"{server.url}/messages").body_json(body)
            response = await request.build().send()
            answer: dict[str, str] = msgspec.json.decode(await response.bytes())
            return answer["id"]

        ids = await asyncio.gather(*map(submit, range(300)))
    assert len(set(ids)) == 300
    assert server.stats.distinct_recipients == server.stats.accepted == 300
