"""A thread with an event loop of its own, on which a relay publishes what a host kept."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from batchwire.errors import BatchwireError
from batchwire.events.relay import Relay
from batchwire.ports.clock import Clock

_BEAT_S = 1.0
_LOOK_S = 0.01
_SILENT_S = 15.0
_AGAIN_S = 10.0

log = structlog.get_logger()


class Sender:
    """
    Runs a relay until it is closed; one that raises is logged and begun again.

    The thread is a daemon: a host ends when it wants to. What is not sent stays in the
    outbox.
    """

    def __init__(
        self, relay: Callable[[], Relay], waiting: Callable[[], int], clock: Clock
    ) -> None:
        self._make_relay = relay
        self._waiting = waiting
        self._clock = clock
        self._until = 0.0
        self._beaten_at = clock.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="batchwire-sender", daemon=True
        )
        self._relay: Relay | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the thread is there and its loop moves."""
        silent_s = self._clock.monotonic() - self._beaten_at
        return self._thread.is_alive() and silent_s < _SILENT_S

    @property
    def published(self) -> int:
        """How many records the broker has acknowledged."""
        return self._relay.published if self._relay else 0

    def start(self) -> None:
        """Begin; to be called once."""
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """
        Publish what waits, at most so long; whether the thread has ended.

        For another thread than the sender's own.
        """
        if self._thread.ident is None:  # there was no thread to be had
            return False
        self._until = self._clock.monotonic() + timeout_s
        # A relay that is stopped amid a page has it published twice.
        while self.is_alive and self._waiting() and not self._is_late:
            time.sleep(_LOOK_S)
        if self._is_ready.wait(timeout_s) and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout_s + 1.0)
        return not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.run(self._send())

    async def _send(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_ready.set()
        beating = asyncio.create_task(self._beat())
        self._relay = self._make_relay()
        await self._attempt(self._relay.run(self._stop))
        while not self._stop.is_set():
            await self._attempt(self._relay.run(self._stop))
        await self._attempt(self._relay.drain(self._until))
        beating.cancel()

    @property
    def _is_late(self) -> bool:
        return self._clock.monotonic() >= self._until

    async def _attempt(self, work: Awaitable[object]) -> None:
        try:
            await work
        except BatchwireError as error:
            log.error("Failed to publish", error_code=error.code, error=str(error))  # noqa: TRY400 - a sentence for a person
            await self._pause()
        except Exception as error:
            log.error("relay_raised", exc_info=error)  # noqa: TRY400 - as the engine
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _AGAIN_S)

    async def _beat(self) -> None:
        while True:
            self._beaten_at = self._clock.monotonic()
            await asyncio.sleep(_BEAT_S)
