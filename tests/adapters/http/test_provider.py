"""The HTTP provider at a provider that behaves."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from batchwire.adapters.http.client import Client
from batchwire.adapters.http.connection import Loss
from batchwire.adapters.http.provider import HttpProvider
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.errors import ProviderSettingsRefused
from batchwire.ports.provider import Provider, ProviderTraits
from batchwire.testing.contracts.provider import ProviderContract
from batchwire.testing.fault_server import FaultServer, Received, answer

Make = Callable[..., HttpProvider]
Build = Callable[..., Message]
LIST: dict[str, Any] = {
    "body": {"from": "Acme", "messages": "<messages>"},
    "item": {"to": "<to>", "text": "<text>", "key": "<key>"},
    "batch_size": 3,
    "answer": {
        "message_id": "messages[].id",
        "error_code": ["messages[].code", "code"],
    },
    "codes": {"21211": {"verdict": "permanent"}},
}


async def one_message(request: Received, transport: asyncio.Transport) -> None:
    """Answer as a provider that takes one message a request."""
    message = json.loads(request.body)
    if message["to"] == ProviderContract.REFUSED:
        await answer(400, b'{"code": 21211}')(request, transport)
    else:
        await answer(201)(request, transport)


async def many_messages(request: Received, transport: asyncio.Transport) -> None:
    """Answer as a provider that takes a list and answers item by item."""
    items = [
        {"code": "21211"}
        if item["to"] == ProviderContract.REFUSED
        else {"id": f"id-{item['key']}"}
        for item in json.loads(request.body)["messages"]
    ]
    text = json.dumps({"messages": items}).encode()
    await answer(200, text)(request, transport)


class TestOneMessageARequest(ProviderContract):
    """The contract, with the settings most providers need."""

    @pytest.fixture
    async def provider(self, make: Make) -> AsyncIterator[Provider]:
        """Give the provider and run what is behind it."""
        async with FaultServer(otherwise=one_message) as server:
            provider = make(server.url, timeout_s=5)
            yield provider
            await provider.close()


class TestManyMessagesARequest(ProviderContract):
    """The contract, with a list of messages in each request."""

    @pytest.fixture
    async def provider(self, make: Make) -> AsyncIterator[Provider]:
        """Give the provider and run what is behind it."""
        async with FaultServer(otherwise=many_messages) as server:
            provider = make(server.url, timeout_s=5, **LIST)
            yield provider
            await provider.close()


async def submit(provider: HttpProvider, *messages: Message) -> list[Answer]:
    await provider.open()
    return list(await provider.submit(messages))


async def test_the_request_is_what_the_settings_say(
    server: FaultServer, make: Make, message: Build
) -> None:
    provider = make(
        server.url, method="PUT", headers={"X-Tenant": "7"}, idempotency_header="X-Key"
    )
    await submit(provider, message(3, text='He said "hi"\n€ \U0001f600 100% <to>'))
    (request,) = server.requests
    assert request.method == "PUT"
    assert request.target == "/send"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-tenant"] == "7"
    assert request.headers["x-key"] == "b1:3:1"
    assert json.loads(request.body) == {
        "to": "+447700900123",
        "text": 'He said "hi"\n€ \U0001f600 100% <to>',
        "key": "b1:3:1",
    }


@pytest.mark.parametrize(("keep_alive_s", "connections"), [(60, 1), (0, 3)])
async def test_connections_are_kept_as_long_as_said(
    server: FaultServer,
    make: Make,
    message: Build,
    keep_alive_s: float,
    connections: int,
) -> None:
    provider = make(server.url, keep_alive_s=keep_alive_s)
    for _ in range(3):
        await submit(provider, message())
    assert server.connections == connections


async def test_a_form_is_url_encoded(
    server: FaultServer, make: Make, message: Build
) -> None:
    body = {"To": "<to>", "Body": "Dear <text>", "Ref": "r=<reference>", "Max": 3}
    provider = make(server.url, encoding="form", body=body)
    await submit(provider, message(text="a&b=c d+e % é"))
    (request,) = server.requests
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {
        "To": ["+447700900123"],
        "Body": ["Dear a&b=c d+e % é"],
        "Ref": ["r=b1:0"],
        "Max": ["3"],
    }


async def test_a_list_carries_every_message_of_a_request(
    server: FaultServer, make: Make, message: Build
) -> None:
    server.will(many_messages)
    answers = await submit(make(server.url, **LIST), message(0), message(1))
    (request,) = server.requests
    sent = json.loads(request.body)
    assert sent["from"] == "Acme"
    assert [item["key"] for item in sent["messages"]] == ["b1:0:1", "b1:1:1"]
    ids = [given.provider_message_id for given in answers]
    assert ids == ["id-b1:0:1", "id-b1:1:1"]


async def test_a_list_refused_as_a_whole_is_refused_in_company_and_one_alone_is_not(
    server: FaultServer, make: Make, message: Build
) -> None:
    server.will(*[answer(400, b'{"code": 21610}')] * 2)
    provider = make(server.url, **LIST, code_table="twilio")
    both = await submit(provider, message(0), message(1))
    assert both == [Answer(Verdict.PERMANENT, in_company=True)] * 2
    (alone,) = await submit(provider, message(0))
    assert (alone.verdict, alone.suppress) == (Verdict.PERMANENT, True)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"messages": [{"id": "1"}, {"code": "2"}]}'),  # perhaps one was taken
        (200, b'{"code": "21211"}'),
        (401, b"{}"),
        (429, b"{}"),
        (500, b"{}"),
        (504, b"{}"),
    ],
)
async def test_no_other_answer_to_a_list_sends_it_again(
    server: FaultServer, make: Make, message: Build, status: int, body: bytes
) -> None:
    server.will(answer(status, body))
    answers = await submit(make(server.url, **LIST), message(0), message(1))
    assert len(server.requests) == 1
    assert len(answers) == 2


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"kind": "none"}, "authorization", None),
        ({"kind": "bearer", "token_env": "A"}, "authorization", "Bearer s3cret"),
        (
            {"kind": "basic", "username_env": "B", "password_env": "A"},
            "authorization",
            "Basic " + base64.b64encode(b"us\xc3\xa9r:s3cret").decode(),
        ),
        (
            {"kind": "header", "name": "X-Api-Key", "value_env": "A"},
            "x-api-key",
            "s3cret",
        ),
        (
            {
                "kind": "header",
                "name": "Authorization",
                "value_env": "A",
                "scheme": "App",
            },
            "authorization",
            "App s3cret",
        ),
    ],
)
async def test_credentials_come_from_the_environment(
    server: FaultServer,
    make: Make,
    message: Build,
    auth: dict[str, str],
    name: str,
    value: str | None,
) -> None:
    provider = make(server.url, {"A": "s3cret", "B": "usér"}, auth=auth)
    await submit(provider, message())
    assert server.requests[0].headers.get(name) == value


async def test_a_secret_can_stand_in_the_body(
    server: FaultServer, make: Make, message: Build
) -> None:
    body = {"api_secret": "<env:SECRET>", "to": "<to_digits>", "text": "<text>"}
    provider = make(server.url, {"SECRET": 'q"%uote'}, body=body)
    await submit(provider, message())
    expected = {"api_secret": 'q"%uote', "to": "447700900123", "text": "Hi Ann"}
    assert json.loads(server.requests[0].body) == expected


@pytest.mark.parametrize(
    ("value", "flaw"),
    [
        ("", "is not set"),
        ("line\nbreak-of-the-s3cret", "does not print"),
        ("\u200bs3cret", "does not print"),
    ],
)
@pytest.mark.parametrize(
    "settings",
    [
        {"auth": {"kind": "bearer", "token_env": "TOKEN"}},
        {"body": {"to": "<to>", "text": "<text>", "token": "<env:TOKEN>"}},
    ],
)
async def test_an_unusable_variable_is_refused_by_name_and_not_shown(
    make: Make, settings: dict[str, object], value: str, flaw: str
) -> None:
    provider = make("http://127.0.0.1:9/", {"TOKEN": value}, **settings)
    with pytest.raises(ProviderSettingsRefused, match=f"TOKEN .*{flaw}") as refused:
        await provider.open()
    assert "s3cret" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    "auth",
    [
        {"kind": "bearer", "token_env": "TOKEN"},
        {"kind": "header", "name": "X-Api-Key", "value_env": "TOKEN"},
    ],
)
async def test_an_open_provider_shows_no_secret(
    make: Make, auth: dict[str, str]
) -> None:
    provider = make("http://127.0.0.1:9/", {"TOKEN": "s3cret"}, auth=auth)
    await provider.open()
    assert "s3cret" not in repr(provider) + repr(vars(provider))


@pytest.mark.parametrize(
    ("auth", "repeated"),
    [
        ({"kind": "bearer", "token_env": "TOKEN"}, b"s3cret"),
        (
            {"kind": "basic", "username_env": "USERNAME", "password_env": "TOKEN"},
            base64.b64encode(b"me:s3cret"),
        ),
    ],
)
async def test_a_secret_that_an_answer_repeats_is_not_kept(
    server: FaultServer,
    make: Make,
    message: Build,
    auth: dict[str, str],
    repeated: bytes,
) -> None:
    said = b"no " + repeated + b" of ours"
    server.will(answer(401, b'{"error": "' + said + b'", "code": "' + said + b'"}'))
    paths = {"error_message": ["error"], "error_code": ["code"]}
    environment = {"TOKEN": "s3cret", "USERNAME": "me"}
    provider = make(server.url, environment, auth=auth, answer=paths)
    (given,) = await submit(provider, message())
    assert (given.error_message, given.error_code) == ("no … of ours", "no … of ours")


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"no certificate",
        b"-----BEGIN CERTIFICATE-----\n!\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
async def test_an_authority_that_cannot_be_read_is_refused(
    make: Make, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    provider = make("https://127.0.0.1:9/", ca_file=str(file))
    with pytest.raises(ProviderSettingsRefused, match=r"ca\.pem"):
        await provider.open()


async def test_a_proxy_of_the_environment_counts_only_when_the_settings_say_so(
    server: FaultServer, make: Make, message: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with FaultServer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("send"))
        await submit(make(server.url), message(0))
        await submit(make(server.url, proxy_from_environment=True), message(1))
        assert server.received == {message(0).key: 1}
        assert proxy.received == {message(1).key: 1}


@pytest.mark.parametrize(
    "value",
    [
        "ftp://proxy:3128",
        "http:/proxy:3128",
        "http//proxy:3128",
        "http://",
        "http://proxy:99999",
        " http://proxy:3128",
        "'http://proxy:3128'",
        "http://pröxy:3128",
        "http://me:s3c ret@proxy:3128",
        "proxy:3128/",
        "http://proxy:3128/proxy.pac",
        "http://CORP\\me:it@proxy:3128",
        "http://me:1/2@proxy:3128",
        "http://me%3Ait:it@proxy:3128",
        "socks5://m%C3%A9:it@proxy:1080",
        "socks5://me:%C3%A9@proxy:1080",
        "http://proxy:0",
    ],
)
async def test_a_proxy_that_would_be_passed_over_in_silence_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    provider = make("https://sms.example/", proxy_from_environment=True)
    with pytest.raises(ProviderSettingsRefused, match="HTTPS_PROXY") as refused:
        await provider.open()
    assert "s3c" not in str(refused.value)
    for url, counts in (("https://sms.example/", False), ("http://sms.example/", True)):
        await make(url, proxy_from_environment=counts).open()  # it plays no part there


@pytest.mark.parametrize("prefix", ["", "http://", "HTTP://", "http://me:it@"])
async def test_a_proxy_may_be_written_in_several_ways(
    make: Make, message: Build, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with FaultServer() as proxy:
        place = proxy.url.removeprefix("http://").removesuffix("/send")
        monkeypatch.setenv("http_proxy", prefix + place)
        provider = make("http://sms.example/", proxy_from_environment=True)
        (given,) = await submit(provider, message())
        assert given.verdict is Verdict.ACCEPTED
        assert proxy.received == {message().key: 1}


async def test_why_a_message_was_lost_repeats_no_secret_and_moves_no_cursor(
    make: Make, message: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(*_: object) -> None:
        raise Loss("no\x1b[2J \udce8 s3cret")

    monkeypatch.setattr(Client, "exchange", lose)
    auth = {"kind": "bearer", "token_env": "TOKEN"}
    provider = make("http://127.0.0.1:9/", {"TOKEN": "s3cret"}, auth=auth)
    (given,) = await submit(provider, message())
    assert given.error_message.isprintable()
    assert "s3cret" not in given.error_message
    assert given.error_message.encode()


async def test_the_traits_are_those_of_the_settings(make: Make) -> None:
    provider = make(
        "http://127.0.0.1:9/",
        concurrency=7,
        rate_parts_per_s=12.5,
        burst_parts=30,
        idempotency_header="Idempotency-Key",
    )
    assert provider.traits == ProviderTraits(
        name="test",
        concurrency=7,
        batch_size=1,
        rate_parts_per_s=12.5,
        burst_parts=30,
        honours_idempotency_key=True,
    )
    assert not make("http://127.0.0.1:9/").traits.honours_idempotency_key


async def test_a_closed_provider_does_not_submit(make: Make, message: Build) -> None:
    with pytest.raises(RuntimeError, match="open"):
        await make("http://127.0.0.1:9/").submit([message()])
