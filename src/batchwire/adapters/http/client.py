"""The HTTP client as we need it: no retries, no redirects, no surprises."""

import asyncio
from http import HTTPStatus

from batchwire import __version__
from batchwire.adapters.http.connection import Connection, Loss, Pool, Reply, why
from batchwire.adapters.http.credentials import Secrets, auth_headers
from batchwire.adapters.http.route import ProxyRefused, Route, route_to
from batchwire.adapters.http.settings import HttpSettings

_CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
}
_COMING_AT_ONCE = 32  # a handshake is work, and no answer is read meanwhile
_HOLD_OFF_S = 0.5  # until a place that refused a further connection is asked again


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
        self._refusal = ""  # of the last connection, since one came about
        self._is_holding_off = False
        self._coming = set[asyncio.Task[None] | None]()
        self._loop = asyncio.get_running_loop()

    async def exchange(self, body: bytes, header: bytes = b"") -> Reply:
        """
        Send ``body``, with the line of one more ``header``, and read the answer.

        Raises:
            Loss: no whole answer came in time.
        """
        connection = self._pool.take() or await self._next()
        request = b"%b%d\r\n%b\r\n%b" % (self._head, len(body), header, body)
        return await connection.ask(request, self._loop.time() + self._timeout_s)

    def is_of_proxy(self, status: int) -> bool:
        """Whether a proxy that reads our requests wants credentials by this answer."""
        wants = status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        return wants and self._route.proxy_reads

    async def _next(self) -> Connection:
        """Wait for a connection: one that is new, or idle before that."""
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                while not (connection := await self._first_free()).is_usable:
                    connection.abort()  # it has ended since it answered
                return connection
        except TimeoutError:
            problem = self._refusal or "no connection came about in time"
            raise Loss(problem, is_sent=False, is_late=True) from None

    async def _first_free(self) -> Connection:
        waiter: asyncio.Future[Connection] = self._loop.create_future()
        self._pool.waiting.append(waiter)
        self._reach_out()
        try:
            return await waiter
        except asyncio.CancelledError:
            self._pool.leave(waiter)
            raise

    def _reach_out(self) -> None:
        """Have as many connections on their way as are waited for, but not too many."""
        if self._is_holding_off:
            return
        while len(self._coming) < min(len(self._pool.waiting), _COMING_AT_ONCE):
            self._coming.add(self._loop.create_task(self._connect()))

    def _fail(self, loss: Loss) -> None:
        """
        Tell the first in line why no connection came about, if none is at work.

        Else the place may take no more than these: who waits gets one of them, and only
        after a while another one is tried.
        """
        self._refusal = loss.reason
        if not self._pool.open:
            self._pool.refuse(loss)
        elif not self._is_holding_off:
            self._is_holding_off = True
            self._loop.call_later(_HOLD_OFF_S, self._try_again)

    def _try_again(self) -> None:
        self._is_holding_off = False
        self._reach_out()

    async def _connect(self) -> None:
        """Open a connection for whoever waits first, or tell that one why not."""
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                connection = await self._route.connect(self._connection)
            self._refusal = ""
            self._pool.give(connection)
        except TimeoutError:
            pass  # who waits has a time-out too, and may get another one before
        except ProxyRefused as error:
            problem, status = str(error), error.status
            self._fail(Loss(problem, is_sent=False, proxy_status=status))
        except (OSError, RuntimeError, ValueError) as error:
            self._fail(Loss(why(error), is_sent=False))
        finally:
            self._coming.discard(asyncio.current_task())
        self._reach_out()

    def _connection(self) -> Connection:
        return Connection(self._pool)

    def close(self) -> None:
        """Close all connections; requests under way are lost. Idempotent."""
        for task in filter(None, self._coming):
            task.cancel()
        self._coming.clear()
        while self._pool.waiting:
            self._pool.refuse(Loss("the provider was closed", is_sent=False))
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
    given |= auth_headers(settings.auth, secret) | route.headers
    lines = [f"{settings.method} {route.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    lines += ["content-length: "]
    return Client(route, "\r\n".join(lines).encode(), settings)
