"""Everything the sandbox server does wrong when it is told to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from batchwire.adapters.sandbox import Behaviour, SandboxServer

Answered = tuple[int, dict[str, str], Any]
Serve = Callable[..., Awaitable[SandboxServer]]
Ask = Callable[..., Awaitable[Answered]]
Read = Callable[[asyncio.StreamReader], Awaitable[Answered]]

ANN = {"to": "+4917100000001", "text": "Hi Ann"}
RAW = (
    b"POST /messages HTTP/1.1\r\nContent-Length: 29\r\n\r\n"
    b'{"to":"+491711","text":"Hey"}'
)


@pytest.mark.parametrize(
    ("behaviour", "status", "code", "counter"),
    [
        ({"permanent_rate": 1.0}, 400, "30005", "failed_permanent"),
        (
            {"permanent_suffix": "001", "permanent_code": "30006"},
            400,
            "30006",
            "failed_permanent",
        ),
        ({"optout_rate": 1.0}, 400, "21610", "opted_out"),
        ({"optout_suffix": "1"}, 400, "21610", "opted_out"),
        ({"transient_rate": 1.0}, 503, "20503", "failed_transient"),
        ({"transient_suffix": "1"}, 503, "20503", "failed_transient"),
        ({"refuse_credentials": True}, 401, "20003", "refused"),
        ({"down": True}, 503, "20503", "refused"),
    ],
)
async def test_a_refusal_has_its_status_and_code_and_is_counted(
    serve: Serve,
    ask: Ask,
    behaviour: dict[str, Any],
    status: int,
    code: str,
    counter: str,
) -> None:
    server = await serve(**behaviour)
    answered, _, body = await ask(server, "POST /messages", ANN)
    assert (answered, body["error"]["code"]) == (status, code)
    assert getattr(server.stats, counter) == 1
    assert server.stats.accepted == 0


async def test_other_numbers_than_those_of_the_suffixes_are_accepted(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(permanent_suffix="2", optout_suffix="3", transient_suffix="4")
    assert (await ask(server, "POST /messages", ANN))[0] == 201


async def test_a_number_with_the_transient_suffix_fails_as_often_as_set(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(transient_suffix="01", transient_attempts=2)
    statuses = [(await ask(server, "POST /messages", ANN))[0] for _ in range(4)]
    assert statuses == [503, 503, 201, 201]


async def test_beyond_the_rate_comes_429_with_retry_after(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(rate_parts_per_s=0.01, burst_parts=2)
    answers = [await ask(server, "POST /messages", ANN) for _ in range(3)]
    assert [status for status, _, _ in answers] == [201, 201, 429]
    _, headers, body = answers[-1]
    assert 90 <= int(headers["retry-after"]) <= 100
    assert body["error"]["code"] == "20429"
    assert server.stats.throttled == 1


async def test_the_rate_counts_parts_and_not_messages(serve: Serve, ask: Ask) -> None:
    server = await serve(rate_parts_per_s=0.01, burst_parts=4)
    three_parts = {**ANN, "text": "a" * 307}
    assert (await ask(server, "POST /messages", three_parts))[0] == 201
    assert (await ask(server, "POST /messages", three_parts))[0] == 429
    assert (await ask(server, "POST /messages", ANN))[0] == 201


async def test_of_several_messages_those_beyond_the_rate_are_throttled(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(rate_parts_per_s=0.01, burst_parts=1)
    messages = {"messages": [ANN, ANN]}
    status, _, body = await ask(server, "POST /messages", messages)
    assert status == 207
    assert [item.get("error", {}).get("code") for item in body["messages"]] == [
        None,
        "20429",
    ]
    status, headers, _ = await ask(server, "POST /messages", messages)
    assert status == 429
    assert int(headers["retry-after"]) > 0


async def test_half_of_the_resets_come_before_acceptance_and_half_after(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(reset_rate=1.0, seed=7)
    for _ in range(40):
        with pytest.raises(ConnectionResetError):
            await ask(server, "POST /messages", ANN)
    assert server.stats.resets == server.stats.requests == 40
    assert 10 <= server.stats.accepted <= 30


async def test_what_was_reset_after_acceptance_is_answered_again_by_its_key(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(reset_rate=1.0)
    key = {"Idempotency-Key": "k"}
    while not server.stats.accepted:
        with pytest.raises(ConnectionResetError):
            await ask(server, "POST /messages", ANN, key)
    server.change(Behaviour())
    assert (await ask(server, "POST /messages", ANN, key))[0] == 201
    assert (server.stats.accepted, server.stats.duplicates) == (1, 1)


async def test_a_dripped_answer_comes_whole_in_the_end(serve: Serve, ask: Ask) -> None:
    server = await serve(slow_drip_rate=1.0, drip_ms=1)
    status, _, body = await ask(server, "POST /messages", ANN)
    assert (status, body["status"]) == (201, "accepted")
    assert server.stats.dripped == 1


async def test_a_dripped_answer_comes_a_byte_at_a_time(serve: Serve) -> None:
    server = await serve(slow_drip_rate=1.0, drip_ms=60_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(RAW)
    assert await reader.read(100) == b"H"
    writer.close()


async def test_a_delayed_message_is_accepted_before_it_is_answered(
    serve: Serve, ask: Ask
) -> None:
    server = await serve(latency_ms=60_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(RAW)
    while (await ask(server, "GET /stats"))[2]["accepted"] == 0:
        pass
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.01)
    writer.close()


async def test_delayed_answers_keep_the_order_of_their_requests(
    serve: Serve, read: Read
) -> None:
    server = await serve(latency_ms=5, jitter_ms=5, permanent_suffix="3", seed=1)
    numbers = [b"+4917%d" % n for n in range(1, 10)]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    bodies = [b'{"to":"%s","text":"x"}' % to for to in numbers]
    for body in bodies:
        head = b"POST /messages HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
    writer.write(b"GET /nowhere HTTP/1.1\r\n\r\n")
    statuses = [(await read(reader))[0] for _ in range(10)]
    assert statuses == [201, 201, 400, 201, 201, 201, 201, 201, 201, 404]
    writer.close()


async def test_an_outage_refuses_connections_and_ends(serve: Serve, ask: Ask) -> None:
    server = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    assert (await ask(server, "POST /outage", {"duration_s": 0.2}))[0] == 202
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await ask(server, "POST /messages", ANN)
    while True:
        try:
            status, _, _ = await ask(server, "POST /messages", ANN)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
        else:
            break
    assert status == 201


async def test_a_server_stops_in_the_middle_of_an_outage(serve: Serve) -> None:
    server = await serve()
    server.refuse_connections(60)
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
