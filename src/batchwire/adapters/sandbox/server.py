"""The sandbox provider as an HTTP server."""

import asyncio
import signal
import ssl

import msgspec
import uvloop

from batchwire.adapters.sandbox.api import Api
from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.carrier import Carrier
from batchwire.adapters.sandbox.connection import Connection
from batchwire.adapters.sandbox.delay import DelayLine
from batchwire.adapters.sandbox.tally import Stats
from batchwire.errors import ProviderSettingsRefused

BACKLOG = 4096


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where to listen, and how to behave at first.

    ``port`` 0 takes a free one. ``cert`` and ``key`` are paths of PEM files; with them
    the server speaks TLS. ``key`` may be empty where ``cert`` holds both.
    """

    host: str = "127.0.0.1"
    port: int = 0
    cert: str = ""
    key: str = ""
    behaviour: Behaviour = Behaviour()


class SandboxServer:
    """
    Behaves like an SMS provider and sends nothing.

    One instance serves one event loop; uvloop makes it fast. Everything it does is
    decided by the behaviour, which may be changed at any time, here or by HTTP.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._carrier = Carrier(settings.behaviour)
        self._api = Api(self._carrier, self.refuse_connections)
        self._connections: set[Connection] = set()
        self._port = settings.port
        self._outage: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; known once started."""
        return self._port

    @property
    def url(self) -> str:
        """Where it is reached, without a path."""
        scheme = "https" if self._settings.cert else "http"
        return f"{scheme}://{self._settings.host}:{self._port}"

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves now."""
        return self._carrier.behaviour

    @property
    def stats(self) -> Stats:
        """What it counted, with how often every single recipient was accepted."""
        return self._carrier.tally.stats(of_everyone=True)

    def change(self, behaviour: Behaviour) -> None:
        """Behave like this from now on."""
        self._carrier.change(behaviour)

    def reset(self) -> None:
        """Forget counts, recipients and keys."""
        self._carrier.reset()

    async def start(self) -> None:
        """
        Listen.

        Raises:
            ProviderSettingsRefused: the address or the certificate cannot be used.
        """
        self._line = DelayLine(asyncio.get_running_loop())
        self._tls = _load_tls(self._settings)
        await self._listen()

    async def stop(self) -> None:
        """
        Stop listening; drop connections, delayed answers and receipts.

        Raises:
            ProviderSettingsRefused: after an outage the port was taken by another.
        """
        outage, self._outage = self._outage, None
        if outage is not None:
            outage.cancel()
            await asyncio.wait([outage])
        self._line.close()
        await self._carrier.receipts.close()
        self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        await self._server.wait_closed()
        if outage is not None and not outage.cancelled():
            outage.result()

    def refuse_connections(self, duration_s: float) -> None:
        """Close every connection and refuse new ones for so long; then listen again."""
        if self._outage is not None:
            self._outage.cancel()
        self._outage = asyncio.create_task(self._be_away(duration_s))

    async def _be_away(self, duration_s: float) -> None:
        self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        await asyncio.sleep(duration_s)
        await self._listen()

    async def _listen(self) -> None:
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._api, self._line, self._connections),
                self._settings.host,
                self._port,
                ssl=self._tls,
                backlog=BACKLOG,
            )
        except OSError as error:
            place = f"{self._settings.host}:{self._port}"
            sentence = f"cannot listen on {place}: {error}; take another host or port"
            raise ProviderSettingsRefused(sentence) from error
        self._port = self._server.sockets[0].getsockname()[1]


def run(settings: ServerSettings) -> None:
    """
    Serve until SIGTERM or SIGINT; says on standard output where, in one line.

    Raises:
        ProviderSettingsRefused: the address or the certificate cannot be used.
    """
    uvloop.run(_serve(settings))


async def _serve(settings: ServerSettings) -> None:
    server = SandboxServer(settings)
    is_over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, is_over.set)
    await server.start()
    print(f"listening on {server.url}", flush=True)  # noqa: T201 (who started it reads it)
    await is_over.wait()
    await server.stop()


def _load_tls(settings: ServerSettings) -> ssl.SSLContext | None:
    if not settings.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.cert, settings.key or None)
    except OSError as error:
        sentence = f"cannot use the certificate {settings.cert}: {error}"
        raise ProviderSettingsRefused(sentence) from error
    return context
