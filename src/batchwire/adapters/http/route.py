"""How a provider is reached: its name, TLS, and a proxy where the environment has one."""

import asyncio
import math
import os
import re
import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from socket import SOCK_STREAM, socket
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import proxy_bypass

from aiohappyeyeballs import AddrInfoType, start_connection
from pyreqwest.http import Url

from batchwire.adapters.http.connection import Connection, why
from batchwire.adapters.http.settings import HttpSettings
from batchwire.errors import ProviderSettingsRefused

_EYEBALLS_S = 0.25  # until the next address is tried too (RFC 8305 chapter 8)
_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
_PROXY_PORTS = {"http": 80} | dict.fromkeys(_SOCKS, 1080)
_MOST_HEAD_BYTES = 65_536
_status_of = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]").match


class ProxyRefused(Exception):
    """A proxy makes no way through; ``status`` is what it answered, 0 where nothing."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


class _Lookup:
    """Finds the addresses of a name; who asks while somebody does gets the same."""

    def __init__(self) -> None:
        self._running: asyncio.Task[Sequence[AddrInfoType]] | None = None

    async def places(self, address: tuple[str, int]) -> Sequence[AddrInfoType]:
        if self._running is None:
            self._running = asyncio.create_task(_found(address))
            self._running.add_done_callback(self._end)
        return await asyncio.shield(self._running)

    def _end(self, running: asyncio.Task[Sequence[AddrInfoType]]) -> None:
        self._running = None
        if not running.cancelled():
            running.exception()  # nobody may be left to ask for it


async def _found(address: tuple[str, int]) -> Sequence[AddrInfoType]:
    return await asyncio.get_running_loop().getaddrinfo(*address, type=SOCK_STREAM)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy of the environment. ``user`` is name and password, bytes as characters."""

    scheme: str
    address: tuple[str, int]
    user: tuple[str, str] | None

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, not HTTP."""
        return self.scheme in _SOCKS

    @property
    def headers(self) -> dict[str, str]:
        """The header of RFC 9110 chapter 11.7.2, where there is a user."""
        if self.user is None:
            return {}
        encoded = b64encode(":".join(self.user).encode("latin-1")).decode()
        return {"proxy-authorization": f"Basic {encoded}"}


@dataclass(frozen=True, slots=True)
class Route:
    """
    The way to one place.

    ``target`` stands in the first line of a request, ``host`` in its header Host.
    """

    target: str
    host: str
    address: tuple[str, int]
    tls: ssl.SSLContext | None
    proxy: Proxy | None = None
    lookup: _Lookup = field(default_factory=_Lookup)

    @property
    def proxy_reads(self) -> bool:
        """Whether a proxy reads our requests, and does not just make a way for bytes."""
        return self.tls is None and self.proxy is not None and not self.proxy.is_socks

    @property
    def headers(self) -> dict[str, str]:
        """What such a proxy wants in each of them."""
        return self.proxy.headers if self.proxy and self.proxy_reads else {}

    async def connect(self, make: Callable[[], Connection]) -> Connection:
        """
        Return a connection that has come about: name, TCP, tunnel and TLS.

        Raises:
            OSError: it has not.
            ProxyRefused: the proxy makes no way through.
        """
        try:
            sock = await self._opened()
        except TimeoutError:
            raise
        except OSError as error:
            if self.proxy is None:
                raise
            raise ProxyRefused(f"the proxy: {why(error)}", 0) from error
        _, connection = await asyncio.get_running_loop().create_connection(
            make,
            sock=sock,
            ssl=self.tls,
            server_hostname=self.address[0].rstrip(".") if self.tls else None,
        )
        return connection

    async def _opened(self) -> socket:
        if self.proxy is None:
            return await self._reached(self.address)
        if self.proxy.is_socks:
            return await _by_socks(self.proxy, self.address)
        sock = await self._reached(self.proxy.address)
        if not self.proxy_reads:
            try:
                await _tunnel(sock, self.address, self.proxy.headers)
            except BaseException:
                sock.close()
                raise
        return sock

    async def _reached(self, address: tuple[str, int]) -> socket:
        places = await self.lookup.places(address)
        return await start_connection(places, happy_eyeballs_delay=_EYEBALLS_S)


async def _tunnel(sock: socket, to: tuple[str, int], headers: dict[str, str]) -> None:
    """Ask an HTTP proxy for a way through (RFC 9110 chapter 9.3.6)."""
    loop = asyncio.get_running_loop()
    host, port = to
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"host: {place}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await loop.sock_recv(sock, 4096)
        head += piece
        if not piece or len(head) > _MOST_HEAD_BYTES:
            raise ProxyRefused("the proxy ended without an answer", 0)
    found = _status_of(head)
    status = int(found[1]) if found else 0
    if not 200 <= status < 300:  # noqa: PLR2004 the class "successful"
        raise ProxyRefused(f"the proxy answered {status or 'no HTTP'}", status)


async def _by_socks(proxy: Proxy, to: tuple[str, int]) -> socket:
    import python_socks  # noqa: PLC0415 few have such a proxy
    from python_socks.async_ import asyncio as socks  # noqa: PLC0415

    name, password = proxy.user or (None, None)
    is_four = proxy.scheme in {"socks4", "socks4a"}
    way = socks.Proxy(
        python_socks.ProxyType.SOCKS4 if is_four else python_socks.ProxyType.SOCKS5,
        *proxy.address,
        username=name,
        password=password,
        rdns=proxy.scheme in {"socks4a", "socks5h"},
    )
    try:
        return await way.connect(*to, timeout=math.inf)
    except python_socks.ProxyError as error:
        raise ProxyRefused(f"the proxy: {error}", 0) from error


def route_to(provider: str, settings: HttpSettings) -> Route:
    """
    Return the way to the ``url`` of the settings.

    Raises:
        ProviderSettingsRefused: ``ca_file``, or the proxy of the environment, is
            missing or unusable.
    """
    url = Url(settings.url)
    target = url.path + (f"?{url.query_string}" if url.query_string else "")
    tls = _tls(provider, settings) if url.scheme == "https" else None
    proxy = _proxy(provider, url) if settings.proxy_from_environment else None
    route = Route(target, url.authority, _address(url), tls, proxy)
    if route.proxy_reads:  # it wants the whole URL (RFC 9112 chapter 3.2.2)
        return replace(route, target=f"http://{url.authority}{target}")
    return route


def _address(url: Url) -> tuple[str, int]:
    port = url.port_or_known_default
    if port is None:
        port = _PROXY_PORTS[url.scheme]
    return (url.host_str or "").strip("[]"), port


def _tls(provider: str, settings: HttpSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if settings.ca_file is not None:
        what = f"provider {provider}: ca_file {settings.ca_file}"
        try:
            context.load_verify_locations(settings.ca_file)
        except ssl.SSLError as error:
            problem = f"{what} holds no usable certificate in PEM form"
            raise ProviderSettingsRefused(problem) from error
        except OSError as error:
            problem = f"{what} cannot be read ({error.strerror})"
            raise ProviderSettingsRefused(problem) from error
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _proxy(provider: str, url: Url) -> Proxy | None:
    """Return the proxy for ``url``; None where there is none, or it is exempt."""
    if proxy_bypass(url.authority):
        return None
    for name in (f"{kind}_proxy" for kind in (url.scheme, "all")):
        for spelling in (name, name.upper()):
            if value := os.environ.get(spelling):
                return _read(provider, spelling, value)
    return None


def _read(provider: str, variable: str, value: str) -> Proxy:
    full = value if "://" in value else f"http://{value}"
    if not _is_plain(full) or ("://" not in value and "/" in value):
        problem = (
            f"provider {provider}: the environment variable {variable} names no proxy"
            " that can be used; write it as http://host:port or socks5://host:port, with"
            " user:password@ before the host where it asks for them (%5C for \\, %3A"
            " for : and so on)"
        )
        raise ProviderSettingsRefused(problem)
    url = Url(full)
    user = None
    if url.username:
        both = (url.username, url.password or "")
        name, password = (unquote_to_bytes(text).decode("latin-1") for text in both)
        user = name, password
    return Proxy(url.scheme, _address(url), user)


def _is_plain(value: str) -> bool:
    """Whether a URL of a proxy can be read in one way only, and used."""
    try:
        parts, url = urlsplit(value), Url(value)
        is_same = url.host_str == (parts.hostname or "") and parts.port != 0
    except ValueError:
        return False
    is_written_plainly = value.isascii() and value.isprintable() and " " not in value
    is_bare = parts.path in {"", "/"} and not (parts.query or parts.fragment)
    name, password = (
        unquote_to_bytes(text or "") for text in (url.username, url.password)
    )
    is_socks = parts.scheme in _SOCKS
    is_user = (name + password).isascii() if is_socks else b":" not in name
    known = parts.scheme in _PROXY_PORTS and bool(parts.hostname)
    return is_same and is_written_plainly and is_bare and is_user and known
