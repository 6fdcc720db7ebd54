"""
Every fault a provider and its network can have, against a server that counts.

Held throughout: no message reaches the server twice, and nothing that the server
received is reported as ``CONNECTION``.
"""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from batchwire.adapters.http.provider import HttpProvider
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.testing.fault_server import (
    Act,
    FaultServer,
    Received,
    answer,
    closed_port,
    drip,
    half_answer,
    hang_up,
    in_turn,
    raw,
    reset,
    say_nothing,
    wait,
)

Make = Callable[..., HttpProvider]
Build = Callable[..., Message]
TLS = Path(__file__).parent / "tls"


async def submit(provider: HttpProvider, message: Message) -> Answer:
    await provider.open()
    (given,) = await provider.submit([message])
    return given


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (reset, "connection_lost"),
        (hang_up, "connection_lost"),
        (half_answer(reset), "connection_lost"),
        (half_answer(hang_up), "connection_lost"),
        (raw(b"HTTP/1.1 200 O"), "timeout"),
        (in_turn(raw(b"HTTP/1.1 200 O"), wait(0.02), reset), "connection_lost"),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "connection_lost"),
        (raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "http_101"),
        (wait(30), "timeout"),
        (in_turn(wait(30), answer()), "timeout"),
        (drip(0.03), "timeout"),
        (answer(body=b'{"id": "m1"}', length=40), "timeout"),
    ],
)
async def test_what_is_lost_after_the_request_arrived_is_uncertain(
    server: FaultServer, make: Make, message: Build, act: Act, code: str
) -> None:
    server.will(act)
    given = await submit(make(server.url), message())
    assert (given.verdict, given.error_code) == (Verdict.UNCERTAIN, code)
    if act is hang_up:
        assert given.error_message == "the connection was closed"
    assert server.received == {message().key: 1}


def cut(status: int, then: Act = reset) -> Act:
    """Answer with a status and half a body, then do ``then``."""
    head = answer(status, b'{"code": "7', {"retry-after": "9"}, length=30)
    return in_turn(head, wait(0.2), then)


@pytest.mark.parametrize("end", [(reset, 10.0), (hang_up, 10.0), (say_nothing, 1.0)])
@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (401, Verdict.CONFIGURATION),
        (403, Verdict.CONFIGURATION),
        (307, Verdict.CONFIGURATION),
        (429, Verdict.THROTTLED),
        (400, Verdict.UNCERTAIN),  # the body might have said something else
        (503, Verdict.UNCERTAIN),
        (200, Verdict.UNCERTAIN),
    ],
)
async def test_an_answer_that_is_cut_off_is_judged_by_its_status_where_it_refuses(
    server: FaultServer,
    make: Make,
    message: Build,
    status: int,
    verdict: Verdict,
    end: tuple[Act, float],
) -> None:
    then, timeout_s = end
    server.will(cut(status, then))
    given = await submit(make(server.url, timeout_s=timeout_s), message())
    assert given.verdict is verdict
    assert given.retry_after_s == (9 if verdict is Verdict.THROTTLED else None)
    assert server.received == {message().key: 1}


async def test_of_a_list_whose_refusal_is_cut_off_some_may_have_been_taken(
    server: FaultServer, make: Make, message: Build
) -> None:
    items: dict[str, object] = {
        "body": {"messages": "<messages>"},
        "item": {"to": "<to>", "text": "<text>"},
        "batch_size": 2,
        "answer": {"message_id": "messages[].id"},
    }
    server.will(cut(400), cut(401))
    provider = make(server.url, **items)
    await provider.open()
    for verdict in (Verdict.UNCERTAIN, Verdict.CONFIGURATION):
        answers = await provider.submit([message(0), message(1)])
        assert [given.verdict for given in answers] == [verdict] * 2


@pytest.mark.parametrize("act", [reset, hang_up])
async def test_a_connection_that_ends_at_once_is_not_tried_again(
    make: Make, message: Build, act: Act
) -> None:
    async with FaultServer(on_connect=act) as server:
        given = await submit(make(server.url), message())
    # the end may be here before the message has left, or before the connect is over
    assert given.verdict in {Verdict.UNCERTAIN, Verdict.CONNECTION}
    assert server.connections == 1
    assert server.requests == []


@pytest.mark.parametrize("act", [reset, hang_up])
async def test_a_kept_connection_that_dies_on_the_next_request_is_not_tried_again(
    server: FaultServer, make: Make, message: Build, act: Act
) -> None:
    provider = make(server.url)
    server.will(answer(), act)
    assert (await submit(provider, message(0))).verdict is Verdict.ACCEPTED
    assert (await submit(provider, message(1))).verdict is Verdict.UNCERTAIN
    assert server.connections == 1
    assert server.received == {message(0).key: 1, message(1).key: 1}


@pytest.mark.parametrize("act", [reset, hang_up])
async def test_a_kept_connection_that_died_in_silence_costs_no_message(
    server: FaultServer, make: Make, message: Build, act: Act
) -> None:
    provider = make(server.url)
    server.will(in_turn(answer(), wait(0.01), act))
    assert (await submit(provider, message(0))).verdict is Verdict.ACCEPTED
    await asyncio.sleep(0.1)
    assert (await submit(provider, message(1))).verdict is Verdict.ACCEPTED
    assert server.connections == 2
    assert server.received == {message(0).key: 1, message(1).key: 1}


async def test_a_server_that_drops_kept_connections_at_random_gets_nothing_twice(
    make: Make, message: Build
) -> None:
    dice = random.Random(20260101)  # noqa: S311 not for secrets

    async def then_drop(request: Received, transport: asyncio.Transport) -> None:
        await answer()(request, transport)
        if dice.random() < 0.4:
            await asyncio.sleep(dice.random() * 0.002)
            await dice.choice((reset, hang_up))(request, transport)

    async def drop_new(request: Received, transport: asyncio.Transport) -> None:
        if dice.random() < 0.1:
            await dice.choice((reset, hang_up))(request, transport)

    async with FaultServer(otherwise=then_drop, on_connect=drop_new) as server:
        provider = make(server.url, timeout_s=5)
        await provider.open()
        waiting = iter(range(1500))
        verdicts: dict[str, Verdict] = {}

        async def worker() -> None:
            for n in waiting:
                (given,) = await provider.submit([message(n)])
                verdicts[message(n).key] = given.verdict

        await asyncio.gather(*(worker() for _ in range(16)))

    assert len(verdicts) == 1500
    assert max(server.received.values()) == 1
    keys = {verdict: set[str]() for verdict in Verdict}
    for key, verdict in verdicts.items():
        keys[verdict].add(key)
    assert keys[Verdict.ACCEPTED] <= server.received.keys()
    assert not keys[Verdict.CONNECTION] & server.received.keys()
    assert keys[Verdict.UNCERTAIN]
    known = {Verdict.ACCEPTED, Verdict.CONNECTION, Verdict.UNCERTAIN}
    assert set(verdicts.values()) <= known


async def test_a_refused_connection_surely_sent_nothing(
    make: Make, message: Build
) -> None:
    with closed_port() as url:
        given = await submit(make(url), message())
    assert (given.verdict, given.error_code) == (Verdict.CONNECTION, "connect")
    assert "refused" in given.error_message


async def test_a_name_that_does_not_resolve_surely_sent_nothing(
    make: Make, message: Build
) -> None:
    provider = make("http://provider.invalid/", connect_timeout_s=5, timeout_s=10)
    given = await submit(provider, message())
    assert given.verdict is Verdict.CONNECTION


async def test_a_handshake_that_never_ends_surely_sent_nothing(
    make: Make, message: Build
) -> None:
    async with FaultServer(on_connect=say_nothing) as server:
        provider = make(server.url.replace("http:", "https:"))
        given = await submit(provider, message())
    expected = (Verdict.CONNECTION, "connect_timeout")
    assert (given.verdict, given.error_code) == expected
    assert server.connections == 1
    assert server.requests == []


async def test_a_url_that_quotes_the_stage_connect_does_not_deceive(
    server: FaultServer, make: Make, message: Build
) -> None:
    server.will(reset)
    provider = make(f"{server.url}?client error (Connect)")
    assert (await submit(provider, message())).verdict is Verdict.UNCERTAIN


@pytest.mark.parametrize(
    ("status", "verdict", "code"),
    [
        (407, Verdict.CONFIGURATION, "http_407"),
        (502, Verdict.CONNECTION, "connect"),
    ],
)
async def test_a_proxy_that_wants_credentials_is_not_tried_for_ever(
    make: Make,
    message: Build,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    verdict: Verdict,
    code: str,
) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with FaultServer(otherwise=answer(status, b"")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.removesuffix("/send"))
        provider = make("https://sms.example/", proxy_from_environment=True)
        given = await submit(provider, message())
        assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert (given.verdict, given.error_code) == (verdict, code)


def trusted_server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context


async def test_a_certificate_nobody_vouches_for_surely_sent_nothing(
    make: Make, message: Build
) -> None:
    async with FaultServer(tls=trusted_server()) as server:
        given = await submit(make(server.url), message())
    assert (given.verdict, given.error_code) == (Verdict.CONNECTION, "connect")
    assert "certificate" in given.error_message
    assert server.requests == []


@pytest.mark.parametrize(
    "settings", [{"ca_file": str(TLS / "ca.pem")}, {"verify_tls": False}]
)
async def test_a_certificate_is_accepted_when_the_settings_vouch_for_it(
    make: Make, message: Build, settings: dict[str, object]
) -> None:
    async with FaultServer(tls=trusted_server()) as server:
        given = await submit(make(server.url, **settings), message())
    assert given.verdict is Verdict.ACCEPTED


async def test_over_tls_a_loss_after_the_request_is_uncertain_too(
    make: Make, message: Build
) -> None:
    async with FaultServer(tls=trusted_server()) as server:
        server.will(answer(), reset)
        provider = make(server.url, ca_file=str(TLS / "ca.pem"))
        assert (await submit(provider, message(0))).verdict is Verdict.ACCEPTED
        assert (await submit(provider, message(1))).verdict is Verdict.UNCERTAIN
    assert server.received == {message(0).key: 1, message(1).key: 1}


@pytest.mark.parametrize(
    ("length", "verdict", "code"),
    [
        (None, Verdict.UNCERTAIN, "answer_too_long"),
        (10**15, Verdict.UNCERTAIN, "answer_too_long"),
    ],
)
async def test_a_huge_answer_is_not_read_to_its_end(
    server: FaultServer,
    make: Make,
    message: Build,
    length: int | None,
    verdict: Verdict,
    code: str,
) -> None:
    server.will(answer(body=b"x" * 3_000_000, length=length))
    given = await submit(make(server.url, max_answer_bytes=10_000), message())
    assert (given.verdict, given.error_code) == (verdict, code)
    assert server.received == {message().key: 1}


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"[" * 200_000, b'{"\xff"', b"1" * 5000]
)
async def test_a_2xx_that_is_no_json_is_uncertain(
    server: FaultServer, make: Make, message: Build, body: bytes
) -> None:
    server.will(answer(body=body))
    given = await submit(make(server.url), message())
    expected = (Verdict.UNCERTAIN, "answer_not_json")
    assert (given.verdict, given.error_code) == expected


async def test_headers_that_are_no_text_do_no_harm(
    server: FaultServer, make: Make, message: Build
) -> None:
    server.will(
        answer(429, b"", {"retry-after": "\xff\xfe"}),
        answer(302, b"", {"location": "\xff\xfe"}),
    )
    provider = make(server.url)
    assert (await submit(provider, message())).verdict is Verdict.THROTTLED
    assert (await submit(provider, message())).verdict is Verdict.CONFIGURATION


async def test_a_redirect_is_not_followed(
    server: FaultServer, make: Make, message: Build
) -> None:
    server.will(answer(307, b"", {"location": "/elsewhere"}))
    given = await submit(make(server.url), message())
    assert (given.verdict, given.error_code) == (Verdict.CONFIGURATION, "http_307")
    assert "/elsewhere" in given.error_message
    assert len(server.requests) == 1


async def test_a_message_whose_submission_is_cancelled_is_not_sent_again(
    server: FaultServer, make: Make, message: Build
) -> None:
    provider = make(server.url, timeout_s=5)
    server.will(wait(30))
    await provider.open()
    task = asyncio.create_task(provider.submit([message(0)]))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await submit(provider, message(1))).verdict is Verdict.ACCEPTED
    assert server.received == Counter([message(0).key, message(1).key])
