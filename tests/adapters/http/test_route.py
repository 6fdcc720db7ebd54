"""The way to a provider: names with several addresses, IPv6, proxies with TLS behind."""

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from batchwire.adapters.http.provider import HttpProvider
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.errors import ProviderSettingsRefused
from batchwire.testing.fault_server import FaultServer, answer

Make = Callable[..., HttpProvider]
Build = Callable[..., Message]
TLS = Path(__file__).parent / "tls"
CA = str(TLS / "ca.pem")


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def vouched_for() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context


@pytest.fixture
async def behind_tls() -> AsyncIterator[FaultServer]:
    async with FaultServer(tls=vouched_for()) as server:
        yield server


async def submit(provider: HttpProvider, message: Message) -> Answer:
    await provider.open()
    (given,) = await provider.submit([message])
    return given


def port_of(url: str) -> int:
    return int(url.split(":")[2].split("/", maxsplit=1)[0])


async def copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        to.write(data)
    to.close()


class Proxy:
    """Makes ways through: CONNECT, or SOCKS 5 with name and password (RFC 1929)."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.credentials: list[str] = []

    async def connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Make one with CONNECT."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head.split("\r\n")[0])
        self.credentials += [
            line for line in head.split("\r\n") if line.startswith("proxy-auth")
        ]
        for piece in (b"HTTP/1.1 200 Conn", b"ection established\r\nx: y", b"\r\n\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.01)
        await self._join(int(head.split()[1].split(":")[1]), reader, writer)

    async def socks(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Make one with SOCKS."""
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x02")
        _, length = await reader.readexactly(2)
        name = await reader.readexactly(length)
        (length,) = await reader.readexactly(1)
        password = await reader.readexactly(length)
        self.credentials.append(f"{name.decode()}:{password.decode()}")
        writer.write(b"\x01\x00")
        *_, kind = await reader.readexactly(4)
        size = 4 if kind == 1 else (await reader.readexactly(1))[0]
        place = await reader.readexactly(size)
        port = int.from_bytes(await reader.readexactly(2))
        shown = socket.inet_ntoa(place) if kind == 1 else place.decode()
        self.asked.append(f"{shown}:{port}")
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await self._join(port, reader, writer)

    async def _join(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    @asynccontextmanager
    async def serve(self, kind: str) -> AsyncIterator[int]:
        """Give the port."""
        async with await asyncio.start_server(
            self.socks if kind == "socks" else self.connect, "127.0.0.1", 0
        ) as server:
            yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_tls_goes_through_a_tunnel_of_the_proxy(
    behind_tls: FaultServer,
    make: Make,
    message: Build,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    proxy = Proxy()
    async with proxy.serve("http") as port:
        monkeypatch.setenv(name, f"http://me:p%40ss%C3%A9@127.0.0.1:{port}")
        provider = make(behind_tls.url, ca_file=CA, proxy_from_environment=True)
        for n in range(2):
            assert (await submit(provider, message(n))).verdict is Verdict.ACCEPTED
        await provider.close()
    place = f"127.0.0.1:{port_of(behind_tls.url)}"
    assert proxy.asked == [f"CONNECT {place} HTTP/1.1"]
    encoded = b64encode("me:p@ssé".encode()).decode()
    assert proxy.credentials == [f"proxy-authorization: Basic {encoded}"]
    assert behind_tls.requests[0].headers["host"] == place
    assert "proxy-authorization" not in behind_tls.requests[0].headers


async def test_what_comes_through_a_tunnel_is_not_the_proxys(
    behind_tls: FaultServer,
    make: Make,
    message: Build,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    behind_tls.will(answer(407, b'{"message": "not for you"}'))
    async with Proxy().serve("http") as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        provider = make(behind_tls.url, ca_file=CA, proxy_from_environment=True)
        assert (await submit(provider, message())).error_message == "not for you"
        await provider.close()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("tls", [None, vouched_for()])
async def test_a_socks_proxy_is_a_way_too(
    make: Make,
    message: Build,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    tls: ssl.SSLContext | None,
) -> None:
    proxy = Proxy()
    async with proxy.serve("socks") as port, FaultServer(tls=tls) as server:
        monkeypatch.setenv("all_proxy", f"{scheme}://me:it@127.0.0.1:{port}")
        provider = make(server.url, ca_file=CA, proxy_from_environment=True)
        assert (await submit(provider, message())).verdict is Verdict.ACCEPTED
        await provider.close()
        assert proxy.asked == [f"127.0.0.1:{port_of(server.url)}"]
    assert proxy.credentials == ["me:it"]
    assert server.requests[0].target == "/send"


async def test_without_tls_a_proxy_gets_the_whole_url_and_the_credentials(
    server: FaultServer, make: Make, message: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:it@127.0.0.1:{port_of(server.url)}")
    url = "http://sms.example:8080/send now?a=b c"
    provider = make(url, proxy_from_environment=True)
    assert (await submit(provider, message())).verdict is Verdict.ACCEPTED
    (request,) = server.requests
    assert request.target == "http://sms.example:8080/send%20now?a=b%20c"
    assert request.headers["host"] == "sms.example:8080"
    encoded = b64encode(b"me:it").decode()
    assert request.headers["proxy-authorization"] == f"Basic {encoded}"


async def test_without_tls_a_proxy_that_wants_credentials_is_named(
    server: FaultServer, make: Make, message: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.will(answer(407, b""))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port_of(server.url)}")
    provider = make("http://sms.example/", proxy_from_environment=True)
    given = await submit(provider, message())
    assert (given.verdict, given.error_code) == (Verdict.CONFIGURATION, "http_407")
    assert "the proxy wants credentials" in given.error_message


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "example.org, 127.0.0.1"])
async def test_who_is_exempt_is_reached_without_the_proxy(
    server: FaultServer,
    make: Make,
    message: Build,
    monkeypatch: pytest.MonkeyPatch,
    exempt: str,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", exempt)
    provider = make(server.url, proxy_from_environment=True)
    assert (await submit(provider, message())).verdict is Verdict.ACCEPTED


async def test_a_proxy_behind_tls_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "https://proxy:443")
    provider = make("https://sms.example/", proxy_from_environment=True)
    with pytest.raises(ProviderSettingsRefused, match="https_proxy names no proxy"):
        await provider.open()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("HTTP/1.1 403 Accès refusé\r\n\r\n".encode("latin-1"), "answered 403"),
        (b"\x1b[2J\r\n\r\n", "answered no HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "ended without an answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000, "ended without an answer"),
    ],
)
async def test_a_proxy_that_makes_no_way_through_surely_sent_nothing(
    make: Make,
    message: Build,
    monkeypatch: pytest.MonkeyPatch,
    said: bytes,
    reason: str,
) -> None:
    async def refuse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("https_proxy", f"http://me:s3cret@127.0.0.1:{port}")
        provider = make("https://sms.example/", proxy_from_environment=True)
        given = await submit(provider, message())
        await provider.close()
    assert (given.verdict, given.error_code) == (Verdict.CONNECTION, "connect")
    assert given.error_message == f"the proxy {reason}"


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_proxy_that_is_away_surely_sent_nothing(
    make: Make, message: Build, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("https_proxy", f"{kind}://127.0.0.1:9")
    provider = make("https://sms.example/", proxy_from_environment=True)
    given = await submit(provider, message())
    assert (given.verdict, given.error_code) == (Verdict.CONNECTION, "connect")
    assert given.error_message.startswith("the proxy: ")
    assert "refused" in given.error_message


async def test_the_addresses_of_a_name_are_tried_one_after_the_other(
    server: FaultServer, make: Make, message: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = type(asyncio.get_running_loop())
    real = loop.getaddrinfo
    port = port_of(server.url)
    nobody, somebody = (
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
        for host in ("127.0.0.2", "127.0.0.1")
    )
    places = [nobody, somebody]
    asked: list[str] = []

    async def found(
        self: asyncio.AbstractEventLoop, host: str, port: int, **named: int
    ) -> object:
        if host == "sms.example":
            asked.append(host)
            await asyncio.sleep(0.05)
            return list(places)
        return await real(self, host, port, **named)

    monkeypatch.setattr(loop, "getaddrinfo", found)
    provider = make("http://sms.example/send", timeout_s=5, connect_timeout_s=4)
    await provider.open()
    calls = [provider.submit([message(n)]) for n in range(8)]
    for (given,) in await asyncio.gather(*calls):
        assert given.verdict is Verdict.ACCEPTED
    assert asked == ["sms.example"]  # once for all who ask meanwhile
    await provider.close()
    places[:] = [nobody, nobody]
    given = await submit(provider, message(8))
    assert (given.verdict, given.error_code) == (Verdict.CONNECTION, "connect")
    assert given.error_message == "Connection refused"


async def test_an_address_of_ipv6_is_reached(make: Make, message: Build) -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"id":"m1"}')
        await reader.read()  # the request's body, and its end
        writer.close()

    try:
        listening = await asyncio.start_server(serve, "::1", 0)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    async with listening:
        place = f"[::1]:{listening.sockets[0].getsockname()[1]}"
        provider = make(f"http://{place}/")
        assert (await submit(provider, message())).verdict is Verdict.ACCEPTED
        await provider.close()
    assert f"host: {place}\r\n".encode() in heads[0]
