"""Stands between a client and a PostgreSQL server, and cuts the line at a commit."""

import asyncio
import contextlib
from collections.abc import Callable
from enum import Enum
from pathlib import Path

SOCKET = ".s.PGSQL.5432"
_COMMIT = b"COMMIT;"


class Cut(Enum):
    """Where the line is cut: before the server hears of the commit, or after it."""

    REQUEST = "request"
    ANSWER = "answer"


class PostgresProxy:
    """
    Passes on what comes to ``folder``'s socket, until ``cut`` is set.

    Then the next commit loses its line, once; ``when_cut`` is called before the client
    notices.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.cut: Cut | None = None
        self.when_cut: Callable[[], None] = lambda: None
        self._is_shut = False
        self.cuts = 0
        self.path = str(folder / SOCKET)
        self._server_path = str(server / SOCKET)
        self._listener: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_unix_server(self._serve, self.path)

    def shut(self) -> None:
        """Cut every other line too, and let nobody in."""
        self._is_shut = True
        for line in self._lines - {asyncio.current_task()}:
            line.cancel()

    def reopen(self) -> None:
        """Let them in again."""
        self._is_shut = False

    async def stop(self) -> None:
        """End every line."""
        if self._listener is not None:
            self._listener.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line = asyncio.ensure_future(self._line(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)
        await asyncio.wait([line])

    async def _line(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            if self._is_shut:
                return
            server = await asyncio.open_unix_connection(self._server_path)
            with contextlib.closing(server[1]):
                back = asyncio.ensure_future(_pass_on(server[0], writer))
                try:
                    await self._forward(reader, server, back)
                finally:
                    back.cancel()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        back: asyncio.Future[None],
    ) -> None:
        while data := await reader.read(65536):
            cut = self.cut if _COMMIT in data else None
            if cut is not None:
                self.cut = None
                back.cancel()
                await asyncio.wait([back])
            if cut is not Cut.REQUEST:
                server[1].write(data)
                await server[1].drain()
            if cut is Cut.ANSWER:
                await server[0].read(1)
            if cut is not None:
                self.cuts += 1
                self.when_cut()
                return


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
