"""How a provider is reached: its name, TLS, and a proxy where the environment has one."""

import asyncio
import math
import os
import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from socket import SOCK_STREAM, socket
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from aiohappyeyeballs import AddrInfoType, start_connection
from pyreqwest.http import Url

from batchwire.adapters.http.connection import Connection
from batchwire.adapters.http.settings import HttpSettings
from batchwire.errors import ProviderSettingsRefused

if TYPE_CHECKING:
    from python_socks.async_.asyncio import Proxy

_EYEBALLS_S = 0.25  # until the next address is tried too (RFC 8305 chapter 8)
_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
_PROXY_PORTS = {"http": 80} | dict.fromkeys(_SOCKS, 1080)


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
class Route:
    """
    The way to one place.

    ``target`` stands in the first line of a request, ``host`` in its header Host;
    ``headers`` is what a proxy wants with each request.
    """

    target: str
    host: str
    address: tuple[str, int]
    tls: ssl.SSLContext | None
    tunnel: "Proxy | None" = None
    headers: tuple[tuple[str, str], ...] = ()
    lookup: _Lookup = field(default_factory=_Lookup)

    async def connect(self, make: Callable[[], Connection]) -> Connection:
        """
        Return a connection that has come about: name, TCP, tunnel and TLS.

        Raises:
            OSError: it has not.
            ProxyRefused: the proxy makes no way through.
        """
        loop = asyncio.get_running_loop()
        if self.tunnel is None:
            places = await self.lookup.places(self.address)
            sock = await start_connection(places, happy_eyeballs_delay=_EYEBALLS_S)
        else:
            sock = await _through(self.tunnel, self.address)
        _, connection = await loop.create_connection(
            make,
            sock=sock,
            ssl=self.tls,
            server_hostname=self.address[0] if self.tls else None,
        )
        return connection


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
    route = Route(target, url.authority, _address(url), tls)
    proxy = _proxy(provider, url) if settings.proxy_from_environment else None
    if proxy is None:
        return route
    if proxy.scheme == "http" and tls is None:  # it wants the whole URL instead
        target = f"http://{url.authority}{target}"  # RFC 9112 chapter 3.2.2
        headers = _credentials(proxy)
        return replace(route, target=target, address=_address(proxy), headers=headers)
    return replace(route, tunnel=_tunnel(proxy))


def _address(url: Url) -> tuple[str, int]:
    port = url.port_or_known_default or _PROXY_PORTS[url.scheme]
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


def _proxy(provider: str, url: Url) -> Url | None:
    """Return the proxy for ``url``; None where there is none, or it is exempt."""
    kinds = (url.scheme, "all")
    for name in (f"{kind}_proxy" for kind in kinds):
        for spelling in (name, name.upper()):
            if (value := os.environ.get(spelling)) and not _is_proxy(value):
                problem = (
                    f"provider {provider}: the environment variable {spelling} names"
                    " no proxy that can be used; write it as http://host:port or"
                    " socks5://host:port"
                )
                raise ProviderSettingsRefused(problem)
    proxies = getproxies_environment()
    if proxy_bypass(url.authority):
        return None
    named = next((proxies[kind] for kind in kinds if kind in proxies), None)
    return None if named is None else Url(_full(named))


def _is_proxy(value: str) -> bool:
    is_bare = "://" not in value
    try:
        Url(_full(value))
        parts = urlsplit(_full(value))
    except ValueError:
        return False
    is_plain = value.isascii() and value.isprintable() and " " not in value
    is_known = parts.scheme in _PROXY_PORTS and bool(parts.hostname)
    return is_plain and is_known and not (is_bare and parts.path)


def _full(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _user(proxy: Url) -> tuple[str, str] | None:
    """Return name and password, their bytes as characters."""
    if not proxy.username:
        return None
    both = (proxy.username, proxy.password or "")
    name, password = (unquote_to_bytes(text).decode("latin-1") for text in both)
    return name, password


def _credentials(proxy: Url) -> tuple[tuple[str, str], ...]:
    """Return the header of RFC 9110 chapter 11.7.2, where the proxy has a user."""
    user = _user(proxy)
    if user is None:
        return ()
    encoded = b64encode(":".join(user).encode("latin-1")).decode()
    return (("proxy-authorization", f"Basic {encoded}"),)


def _tunnel(proxy: Url) -> "Proxy":
    from python_socks import ProxyType  # noqa: PLC0415 few have a proxy
    from python_socks.async_.asyncio import Proxy  # noqa: PLC0415

    types = {"http": ProxyType.HTTP, "socks4": ProxyType.SOCKS4}
    name, password = _user(proxy) or (None, None)
    return Proxy(
        types.get(proxy.scheme.removesuffix("a"), ProxyType.SOCKS5),
        *_address(proxy),
        username=name,
        password=password,
        rdns=proxy.scheme not in {"socks4", "socks5"},
    )


async def _through(tunnel: "Proxy", address: tuple[str, int]) -> socket:
    from python_socks import ProxyError  # noqa: PLC0415 few have a proxy

    try:
        return await tunnel.connect(*address, timeout=math.inf)
    except ProxyError as error:
        raise ProxyRefused(str(error), error.error_code or 0) from error
