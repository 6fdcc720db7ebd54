"""Receipts of the sandbox provider, on their way to whoever asked for them."""

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import Literal

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError

from batchwire.adapters.sandbox.delay import DelayLine
from batchwire.adapters.sandbox.tally import Tally


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an accepted message; ``reference`` is the submitter's own."""

    id: str
    to: str
    status: Literal["delivered", "undelivered"]
    reference: str = ""
    error_code: str = ""


class _Group(msgspec.Struct, frozen=True):
    receipts: list[Receipt]


class Receipts:
    """
    POSTs receipts as ``{"receipts": [...]}``, at most ``GROUP`` at a time, in order.

    A receiver that does not answer 2xx is asked ``ATTEMPTS`` times in all; then the
    group is counted as lost. So is what comes while ``WAITING_LIMIT`` wait.
    """

    GROUP = 100
    ATTEMPTS = 4
    FIRST_PAUSE_S = 0.1  # doubles with every attempt
    TIMEOUT_S = 5.0
    WAITING_LIMIT = 1_000_000

    def __init__(self, tally: Tally) -> None:
        self.url = ""  # where receipts go when their time has come
        self._tally = tally
        self._due: asyncio.Queue[Receipt] = asyncio.Queue()
        self._waiting = 0
        self._line: DelayLine | None = None
        self._sender: asyncio.Task[None] | None = None

    def add(self, receipt: Receipt, delay_s: float) -> None:
        """Send this receipt after this time. Needs a running loop; does not wait."""
        if self._waiting >= self.WAITING_LIMIT:
            self._tally.counts.receipts_lost += 1
            return
        loop = asyncio.get_running_loop()
        if self._line is None:
            self._line = DelayLine(loop)
            self._sender = loop.create_task(self._send_all())
        self._waiting += 1
        self._line.add(loop.time() + delay_s, self._due.put_nowait, receipt)

    async def close(self) -> None:
        """Stop sending; what still waits is dropped. Idempotent."""
        if self._line is None or self._sender is None:
            return
        self._line.close()
        while not self._sender.done():
            self._sender.cancel()  # the client may lose one that comes with an answer
            await asyncio.wait([self._sender], timeout=0.1)
        self._line = self._sender = None
        self._due, self._waiting = asyncio.Queue(), 0

    async def _send_all(self) -> None:
        timeout = timedelta(seconds=self.TIMEOUT_S)
        async with ClientBuilder().no_proxy().timeout(timeout).build() as client:
            while True:
                group = [await self._due.get()]
                while len(group) < self.GROUP and not self._due.empty():
                    group.append(self._due.get_nowait())
                arrived = await self._post(client, msgspec.json.encode(_Group(group)))
                self._waiting -= len(group)
                if arrived:
                    self._tally.counts.receipts_sent += len(group)
                else:
                    self._tally.counts.receipts_lost += len(group)

    async def _post(self, client: Client, body: bytes) -> bool:
        """Post until the receiver takes it; say whether it did."""
        pause_s = self.FIRST_PAUSE_S
        for attempt in range(1, self.ATTEMPTS + 1):
            if await self._post_once(client, body):
                return True
            if attempt < self.ATTEMPTS:
                await asyncio.sleep(pause_s)
                pause_s *= 2
        return False

    async def _post_once(self, client: Client, body: bytes) -> bool:
        try:
            request = client.post(self.url).header("content-type", "application/json")
            response = await request.body_bytes(body).build().send()
        except (PyreqwestError, ValueError):  # ValueError: the URL is none
            return False
        return HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES
