"""
One connection to a provider: a request, its whole answer, then the next (RFC 9112).

It runs in the loop's own thread, so what it tells is what happened here: a request was
handed to the transport, or it was not. None is ever handed over twice.
"""

import asyncio
import math
import os
import select
import ssl
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from typing import cast

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_MOST_BESIDES_BYTES = 65_536  # of an answer, beside its body: head, sizes of chunks
_LARGE_BYTES = 65_536  # a request that may not fit between us and who reads it
_HOT_S = 0.1  # so long after an answer it is "right after" it
_WARY_FOR = 1000  # so many that were fine right after an answer make a place trusted
_TICK_S = 0.001  # so much earlier a loop may call
_GRACE_S = 0.01  # to read an answer that came in time, while we stood still


class Reply(msgspec.Struct, frozen=True):
    """An answer; ``body`` is None where it was longer than wanted, or lost."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | None

    def header(self, name: str) -> str:
        """Return a header by its name in lower case; empty where it is absent."""
        wanted = name.encode()
        for given, value in self.headers:
            if given.lower() == wanted:
                return value.decode("utf-8", "replace")
        return ""


class Loss(Exception):
    """
    A request that got no whole answer.

    ``is_sent`` is false where surely no byte of it left. ``head`` is the answer without
    its body, where so much of it came. ``proxy_status`` is what a proxy answered that
    makes no way through.
    """

    def __init__(
        self,
        reason: str,
        *,
        is_sent: bool = True,
        is_late: bool = False,
        head: Reply | None = None,
        proxy_status: int = 0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_sent = is_sent
        self.is_late = is_late
        self.head = head
        self.proxy_status = proxy_status


class Pool:
    """
    The connections to one place, and the line of those who wait for one.

    What comes, a new connection or one that has answered, is for the first in line.
    """

    def __init__(self, keep_alive_s: float, most_body_bytes: int) -> None:
        self.keeps = keep_alive_s > 0  # else each connection serves one request
        self.most_body_bytes = most_body_bytes
        self.wary_for = _WARY_FOR  # so many that were used just before
        self.open = set[Connection]()
        self.waiting = deque[asyncio.Future[Connection]]()
        self._idle: list[Connection] = []  # the last used at the end
        self._keep_alive_s = keep_alive_s

    def take(self) -> "Connection | None":
        """Take an idle connection."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            connection.abort()
        return None

    def give(self, connection: "Connection") -> None:
        """Pass a connection that may be asked to the first in line, or keep it."""
        if (waiter := self._first()) is not None:
            waiter.set_result(connection)
        elif self.keeps:
            connection.rest(self._keep_alive_s)
            self._idle.append(connection)
        else:
            connection.abort()

    def leave(self, waiter: "asyncio.Future[Connection]") -> None:
        """Take out of the line who was cancelled; pass on what that one just got."""
        with suppress(ValueError):
            self.waiting.remove(waiter)
        if not waiter.cancelled() and waiter.exception() is None:
            self.give(waiter.result())

    def refuse(self, loss: Loss) -> None:
        """Tell the first in line that no connection came about."""
        if (waiter := self._first()) is not None:
            waiter.set_exception(loss)

    def forget(self, connection: "Connection") -> None:
        """Take out a connection that is closed."""
        self.open.discard(connection)
        with suppress(ValueError):
            self._idle.remove(connection)

    def _first(self) -> "asyncio.Future[Connection] | None":
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                return waiter
        return None


class Connection(asyncio.Protocol):
    """Asks one thing at a time, and goes back to its pool by itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._poll = select.poll()
        self._was_asked = False
        self._is_large = False  # what was asked last
        self._answered_s = -math.inf
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(  # as RFC 9112 chapters 2.2, 7.1.1 allow
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._waiter: asyncio.Future[Reply] | None = None
        self._due_s = math.inf  # when the answer has to be here, or the idling ends
        self._is_overdue = False
        self._timer: asyncio.Handle | None = None
        self._timer_s = math.inf  # when it looks
        self._begin()

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._bytes = 0
        self._has_head = False
        self._is_spoilt = False  # it cannot be asked again
        self._reply: Reply | None = None

    @property
    def is_usable(self) -> bool:
        """
        Whether it may be asked (again): nothing came that the loop has not read yet.

        On a new one something may: tickets of TLS. Of its end ``ask`` tells. Who looks
        lets go of the interpreter, and another thread takes it: so right after an answer
        only until some were fine, and again from where one was not.
        """
        if not self._was_asked:
            return True
        now_s = self._loop.time()
        if self._due_s <= now_s or self._transport.is_closing():
            return False
        if now_s > self._answered_s + _HOT_S:
            return not self._poll.poll(0)
        if self._pool.wary_for:
            is_quiet = not self._poll.poll(0)
            self._pool.wary_for = self._pool.wary_for - 1 if is_quiet else _WARY_FOR
            return is_quiet
        return True

    def ask(self, request: bytes, due_s: float) -> asyncio.Future[Reply]:
        """
        Send a request; its answer is due by that time of the loop's clock.

        The future raises ``Loss``. Where it is cancelled, its answer ends the connection.
        """
        self._waiter = waiter = self._loop.create_future()
        if self._transport.is_closing():
            waiter.set_exception(Loss("the connection was closed", is_sent=False))
            return waiter
        self._was_asked = True
        self._is_large = len(request) > _LARGE_BYTES
        self._expect_by(due_s)
        self._transport.write(request)
        return waiter

    def rest(self, span_s: float) -> None:
        """Close by itself when it was not asked for so long."""
        self._expect_by(self._loop.time() + span_s)

    def abort(self) -> None:
        """Close at once; whoever waits gets ``Loss``."""
        self._transport.abort()

    # From here on: called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket"), select.POLLIN)
        self._pool.open.add(self)

    def data_received(self, data: bytes) -> None:
        """Read on in the answer."""
        if self._waiter is None:  # it answers nothing that was asked
            self._transport.abort()
            return
        self._bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:  # with or behind the answer that says so
            self._is_spoilt = True
        except HttpParserError as error:
            self._is_spoilt = True
            if self._reply is None:
                self._lose(f"the answer is no HTTP: {error}")
                return
        if self._reply is not None:
            self._finish(self._reply)
        elif self._bytes > self._pool.most_body_bytes + _MOST_BESIDES_BYTES:
            self._end_early()

    def eof_received(self) -> None:
        """Take it for the end of an answer that does not say how long it is."""
        if self._waiter is not None and self._has_head and self._is_until_end():
            self._end_early()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits, and forget the connection."""
        self._pool.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._waiter is not None and self._answered_s > 0 and not self._bytes:
            self._pool.wary_for = _WARY_FOR
        self._lose(why(exc) if exc else "the connection was closed")
        del self._parser  # it holds us: a circle, with what TLS has of us in it

    # From here on: called by the parser, in this order.

    def on_message_begin(self) -> None:
        """Note an answer for which nobody asked, behind the one that is complete."""
        self._is_spoilt = self._reply is not None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the header; what comes behind the head is a trailer, or not ours."""
        if not self._has_head:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """From here on the status counts."""
        self._has_head = True

    def on_body(self, piece: bytes) -> None:
        """Keep the piece."""
        self._body.append(piece)

    def on_message_complete(self) -> None:
        """Take the answer, unless it is an interim one (RFC 9110 chapter 15.2)."""
        if self._reply is not None:
            return
        status = self._parser.get_status_code()
        if status < HTTPStatus.OK and status != HTTPStatus.SWITCHING_PROTOCOLS:
            self._begin()
            return
        self._is_spoilt = not self._parser.should_keep_alive()
        self._reply = self._whole()

    # From here on: what follows from all that.

    def _whole(self) -> Reply:
        body = b"".join(self._body)
        return self._head(body if len(body) <= self._pool.most_body_bytes else None)

    def _head(self, body: bytes | None = None) -> Reply:
        return Reply(self._parser.get_status_code(), self._headers, body)

    def _end_early(self) -> None:
        self._is_spoilt = True
        if self._has_head:
            self._finish(self._whole())
        else:
            self._lose("the head of the answer has no end")

    def _finish(self, reply: Reply) -> None:
        waiter, self._waiter = self._waiter, None
        # Who refuses a large request may not have read it.
        is_read = reply.status < HTTPStatus.MULTIPLE_CHOICES or not self._is_large
        is_fit = is_read and self._pool.keeps and not self._is_spoilt
        self._begin()
        if waiter is None or waiter.done():  # it was cancelled
            self._transport.abort()
            return
        waiter.set_result(reply)
        self._answered_s = self._loop.time()
        if is_fit:
            self._pool.give(self)
        else:
            self._transport.abort()

    def _lose(self, reason: str, *, is_late: bool = False) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            head = self._head() if self._has_head else None
            waiter.set_exception(Loss(reason, is_late=is_late, head=head))
        self._transport.abort()

    def _is_until_end(self) -> bool:
        """Whether only the end of the connection ends the answer (RFC 9112, 6.3)."""
        head = self._head()
        is_chunked = head.header("transfer-encoding").lower().endswith("chunked")
        return not (is_chunked or head.header("content-length"))

    def _expect_by(self, due_s: float) -> None:
        """Set the one timer, which looks anew when it is early: it is hardly moved."""
        self._due_s = due_s
        self._is_overdue = False
        if self._timer_s > due_s:
            self._look_at(due_s)

    def _look_at(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at_s, self._look)
        self._timer_s = at_s

    def _look(self) -> None:
        self._timer, self._timer_s = None, math.inf
        now_s = self._loop.time()
        if self._due_s > now_s:
            self._look_at(max(self._due_s, now_s + _TICK_S))
        elif self._waiter is None:
            self._transport.abort()
        elif not self._is_overdue:
            self._is_overdue = True
            self._look_at(now_s + _GRACE_S)
        else:
            self._lose("no answer came in time", is_late=True)


def why(error: Exception) -> str:
    """Say in words what went wrong; the loops have words of their own for it."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted: {error.verify_message}"
        case ssl.SSLError(reason=str(reason)):
            return f"TLS: {reason.replace('_', ' ').lower()}"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case OSError(strerror=str(text)):
            return text
        case _:
            return str(error) or "the connection was closed"
