"""The HTTP client as we need it: no retries, no redirects, no surprises."""

import asyncio

from batchwire import __version__
from batchwire.adapters.http.connection import Connection, Loss, Pool, Reply, why
from batchwire.adapters.http.credentials import Secrets, auth_headers
from batchwire.adapters.http.route import ProxyRefused, Route, route_to
from batchwire.adapters.http.settings import HttpSettings

_CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
}


class Client:
    """
    Sends requests that differ only in their body and a header, each at most once.

    HTTP/1.1: over HTTP/2 a client has to know which of its requests a server has let
    go of (``REFUSED_STREAM``, ``GOAWAY``), and takes its word for that.
    """

    def __init__(self, route: Route, head: bytes, settings: HttpSettings) -> None:
        self._route = route
        self._head = head
        self._connect_timeout_s = settings.connect_timeout_s
        self._timeout_s = settings.timeout_s
        self._pool = Pool(settings.keep_alive_s, settings.max_answer_bytes)
        self._loop = asyncio.get_running_loop()

    async def exchange(self, body: bytes, header: bytes = b"") -> Reply:
        """
        Send ``body``, with the line of one more ``header``, and read the answer.

        Raises:
            Loss: no whole answer came in time.
        """
        due_s = self._loop.time() + self._timeout_s
        idle = self._pool.idle
        connection: Connection | None = None
        while idle and connection is None:
            connection = idle.pop()
            if not connection.is_usable:
                connection.abort()
                connection = None
        if connection is None:
            connection = await self._connect()
        request = b"%b%d\r\n%b\r\n%b" % (self._head, len(body), header, body)
        try:
            return await connection.ask(request, due_s)
        except asyncio.CancelledError:
            connection.abort()
            raise

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return await self._route.connect(lambda: Connection(self._pool))
        except TimeoutError:
            problem = "no connection came about in time"
            raise Loss(problem, is_sent=False, is_late=True) from None
        except ProxyRefused as error:
            raise Loss(str(error), is_sent=False, proxy_status=error.status) from error
        except (OSError, RuntimeError, ValueError) as error:
            raise Loss(why(error), is_sent=False) from error

    def close(self) -> None:
        """Close all connections; requests under way are lost. Idempotent."""
        for connection in tuple(self._pool.open):
            connection.abort()


def build_client(provider: str, settings: HttpSettings, secret: Secrets) -> Client:
    """
    Return the client of ``provider``; it connects to nothing yet.

    Raises:
        ProviderSettingsRefused: an environment variable is missing; ``ca_file``, or the
            proxy of the environment, is missing or unusable.
    """
    route = route_to(provider, settings)
    given = {
        "host": route.host,
        "accept": "*/*",
        "user-agent": f"batchwire/{__version__}",
        "content-type": _CONTENT_TYPES[settings.encoding],
    }
    given |= {name.lower(): value for name, value in settings.headers.items()}
    given |= auth_headers(settings.auth, secret) | dict(route.headers)
    lines = [f"{settings.method} {route.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    lines += ["content-length: "]
    return Client(route, "\r\n".join(lines).encode(), settings)
