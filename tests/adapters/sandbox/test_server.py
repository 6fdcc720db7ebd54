"""The sandbox server as a process, with TLS, and where it cannot start."""

import asyncio
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchwire.adapters.sandbox import SandboxServer, ServerSettings
from batchwire.errors import ProviderSettingsRefused

TLS = Path(__file__).parent.parent / "http" / "tls"
REQUEST = (
    b"POST /messages HTTP/1.1\r\nContent-Length: 29\r\n\r\n"
    b'{"to":"+491711","text":"Hey"}'
)
PROGRAM = """
from batchwire.adapters.sandbox import Behaviour, ServerSettings, run

run(ServerSettings(behaviour=Behaviour({behaviour})))
"""


async def started(behaviour: str = "") -> tuple[asyncio.subprocess.Process, int]:
    """Start the server as a process; give it and the port of the line it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM.format(behaviour=behaviour),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("listening on http://127.0.0.1:")
    return process, int(line.rsplit(":", 1)[1])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_ends_well_on_a_signal(
    signum: signal.Signals,
) -> None:
    process, port = await started()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    assert (await reader.readline()) == b"HTTP/1.1 201 Created\r\n"
    process.send_signal(signum)
    assert await process.wait() == 0
    writer.close()


async def test_a_reset_is_a_reset_on_the_fast_loop_too() -> None:
    process, port = await started("reset_rate=1.0")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    process.terminate()
    assert await process.wait() == 0


@pytest.fixture
async def tls_server() -> AsyncIterator[SandboxServer]:
    server = SandboxServer(ServerSettings(cert=str(TLS / "server.pem")))
    await server.start()
    yield server
    await server.stop()


async def test_with_a_certificate_it_speaks_tls(tls_server: SandboxServer) -> None:
    context = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", tls_server.port, ssl=context
    )
    writer.write(REQUEST)
    assert (await reader.readline()) == b"HTTP/1.1 201 Created\r\n"
    writer.write(b"nonsense\r\n\r\n")
    assert b"400 Bad Request" in await reader.read()
    writer.close()
    assert tls_server.url == f"https://127.0.0.1:{tls_server.port}"


async def test_it_stops_with_connections_and_delayed_answers_open(
    tls_server: SandboxServer,
) -> None:
    tls_server.change(tls_server.behaviour.changed({"latency_ms": 60_000}))
    context = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", tls_server.port, ssl=context
    )
    writer.write(REQUEST)
    while not tls_server.stats.accepted:  # noqa: ASYNC110 (no event)
        await asyncio.sleep(0.001)
    await tls_server.stop()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()


async def test_a_port_that_is_taken_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ProviderSettingsRefused, match=f"127.0.0.1:{port}"):
            await SandboxServer(ServerSettings(port=port)).start()


@pytest.mark.parametrize("cert", ["nowhere.pem", __file__])
async def test_an_unusable_certificate_is_refused_by_name(cert: str) -> None:
    with pytest.raises(ProviderSettingsRefused, match=Path(cert).name):
        await SandboxServer(ServerSettings(cert=cert)).start()
