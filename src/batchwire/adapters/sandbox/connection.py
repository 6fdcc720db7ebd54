"""One connection to the sandbox server: requests in, answers out, in order."""

import asyncio
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from batchwire.adapters.sandbox.api import Api
from batchwire.adapters.sandbox.delay import DelayLine
from batchwire.adapters.sandbox.replies import Reply
from batchwire.adapters.sandbox.requests import RequestReader

# A client that is still sending when it is refused must be able to read why: closing
# at once would reset the connection under the answer.
LINGER_S = 1.0

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, 0 s: RST instead of FIN
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """
    Keep-alive and pipelining (RFC 9112 chapter 9).

    What can be answered at once is written at once, all answers to what one read
    brought in one write. What is delayed goes through the ``DelayLine`` and everything
    after it too, so answers keep the order of their requests. ``open_connections``
    holds this connection for as long as it is open.
    """

    def __init__(
        self, api: Api, line: DelayLine, open_connections: "set[Connection]"
    ) -> None:
        self._api = api
        self._line = line
        self._open_connections = open_connections
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader()
        self._is_ending = False  # nothing that still comes is read
        self._delayed = 0  # writes that wait in the line
        self._free_at_s = 0.0  # when the last of them is due

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._open_connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget the connection; why it was lost does not matter here."""
        self._open_connections.discard(self)

    def pause_writing(self) -> None:
        """Read no more requests while the client does not read its answers."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Answer all requests that are whole by now."""
        if self._is_ending:
            return
        at_once: list[bytes] = []
        for request in self._reader.feed(data):
            reply = self._api.answer(request)
            if self._delayed or reply.delay_s or reply.drip_s or reply.is_reset:
                self._delay(reply)
            else:
                at_once.append(reply.data)
            if not request.keeps_alive:
                self._is_ending = True
                break
        if at_once:
            self._transport.write(b"".join(at_once))
        if self._is_ending:
            self._line.add(self._free_at_s, self._end, b"")
        elif self._reader.unreadable is not None:
            self._refuse(*self._reader.unreadable)
        elif self._reader.expects_continue and not self._delayed:
            self._transport.write(_CONTINUE)

    def close(self) -> None:
        """Close when what is written has left; delayed answers are never sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _refuse(self, status: HTTPStatus, problem: str) -> None:
        self._is_ending = True
        self._delay(self._api.refuse(status, problem))
        self._line.add(self._free_at_s, self._end_writing, b"")
        self._line.add(self._free_at_s + LINGER_S, self._end, b"")

    def _delay(self, reply: Reply) -> None:
        due_s = max(self._loop.time() + reply.delay_s, self._free_at_s)
        if reply.is_reset:
            self._add(due_s, self._reset, b"")
        elif reply.drip_s:
            for index, byte in enumerate(reply.data):
                self._add(due_s + index * reply.drip_s, self._write, bytes((byte,)))
        else:
            self._add(due_s, self._write, reply.data)

    def _add(self, due_s: float, action: Callable[[bytes], None], data: bytes) -> None:
        self._delayed += 1
        self._free_at_s = due_s
        self._line.add(due_s, action, data)

    # From here on: called by the line.

    def _write(self, data: bytes) -> None:
        self._delayed -= 1
        if not self._transport.is_closing():
            self._transport.write(data)

    def _reset(self, _: bytes) -> None:
        if not self._transport.is_closing():
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()

    def _end_writing(self, _: bytes) -> None:
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _end(self, _: bytes) -> None:
        self.close()
