"""
The relay: from the outbox to the topic, in order per batch, each record acknowledged.

It takes the oldest records of its shards, publishes them, and forgets those that were
acknowledged. A crash in between publishes them again, with the same event id. While the
broker is away the outbox is the spool, and everything else goes on.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from batchwire.engine.patience import must_pass
from batchwire.errors import BrokerError, RecordTooLarge, StoreError
from batchwire.ports.bus import Outgoing, Producer
from batchwire.ports.clock import Clock
from batchwire.ports.outbox import Pending, Waiting

PAGE = 10_000  # records published at once
_IDLE_S = 0.05  # how long a new record waits at most for our look
_LEASE_S = 5.0
_FINISH_S = 1.0  # for the page that is under way when the relay is to stop
_AGAIN_LEAST_S, _AGAIN_MOST_S = 0.5, 10.0
_STORE = ""  # what rests where no topic does, but the database

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Rest:
    """A topic that took nothing so many times in a row; tried again at ``until``."""

    until: float
    failures: int
    error: str


class Relay:
    """
    Publishes what waits. Any number may run, each with an ``owner`` of its own.

    A topic that does not take its records rests for a while; the others go on.
    """

    def __init__(
        self, outbox: Waiting, producer: Producer, clock: Clock, owner: str
    ) -> None:
        self._outbox = outbox
        self._producer = producer
        self._clock = clock
        self._owner = owner
        self.published = 0
        self.refused = 0
        self.failed = 0  # records that will be tried again, each time
        self._resting: dict[str, _Rest] = {}
        self._page = asyncio.Lock()  # held while one is published

    @property
    def last_error(self) -> str:
        """Why something waits; empty where all goes well."""
        return next((rest.error for rest in self._resting.values()), "")

    async def run(self, stop: asyncio.Event) -> None:
        """
        Publish until ``stop``; a page under way then has a second to be finished.

        A broker or a database that is away is waited for.

        Raises:
            BrokerError: the settings cannot work.
            StoreError: the database cannot be used at all.

        """
        await self._producer.open()
        leasing = asyncio.create_task(self._keep_leases(), name="relay_leases")
        working = asyncio.create_task(self._work(), name="relay")
        stopping = asyncio.create_task(stop.wait())
        tasks = (leasing, working, stopping)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._finish()
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended[:2]:
            if isinstance(error, Exception):
                raise error

    async def drain(self, until: float) -> bool:
        """
        Publish what waits, until the monotonic time; whether nothing of ours is left.

        To be called after ``run`` ended; gives the shards back and closes the producer.
        """
        is_empty = False
        try:
            async with asyncio.timeout(max(0.0, until - self._clock.monotonic())):
                await self._outbox.lease(self._owner)
                while await self.publish_some():
                    pass
                is_empty = not self._resting
        except (TimeoutError, StoreError):
            pass  # it waits in the outbox for the next relay
        await self._producer.close()
        try:
            await self._outbox.release(self._owner)
        except StoreError as error:
            log.warning("store_unavailable", error_code=error.code, error=str(error))
        return is_empty

    async def publish_some(self) -> bool:
        """
        Publish one page; whether something of it went, so that there may be more.

        Raises:
            StoreError: it waits as before; some of it may be published again.

        """
        now = self._clock.monotonic()
        resting = [t for t, rest in self._resting.items() if t and rest.until > now]
        pending = await self._outbox.pending(self._owner, PAGE, without=resting)
        if not pending:
            return False
        errors = await self._producer.publish(_Made(pending))
        gone = [p for p, error in zip(pending, errors, strict=True) if error is None]
        if gone:
            await self._outbox.done(self._owner, gone)
            self.published += len(gone)
        await self._settle(pending, errors)
        return any(not _waits(error) for error in errors)

    async def _finish(self) -> None:
        """Wait a moment for the page under way: cut off, it would be published twice."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_S), self._page:
                pass

    async def _settle(
        self, pending: Sequence[Pending], errors: Sequence[BrokerError | None]
    ) -> None:
        """Put away what can never be published; let topics rest that took not all."""
        left: dict[str, BrokerError] = {}
        for one, error in zip(pending, errors, strict=True):
            if isinstance(error, RecordTooLarge):
                await self._outbox.refuse(self._owner, one, str(error))
                self.refused += 1
                log.error("Failed to publish", error_code=error.code, error=str(error))
            elif error is not None:
                self.failed += 1
                left.setdefault(one.topic, error)
        for topic in {one.topic for one in pending} - left.keys():
            self._resting.pop(topic, None)
        for topic, error in left.items():
            self._rest(topic, error)

    async def _work(self) -> None:
        await self._lease()
        while True:
            try:
                async with self._page:
                    has_more = await self.publish_some()
                self._resting.pop(_STORE, None)
            except StoreError as error:
                if not error.retryable:
                    raise
                await self._clock.sleep(self._rest(_STORE, error))
                continue
            if not has_more:
                await self._clock.sleep(_IDLE_S)

    def _rest(self, topic: str, error: BrokerError | StoreError) -> float:
        """Let it rest, for how many seconds; say why once, not at every attempt."""
        before = self._resting.get(topic)
        if before is None or before.error != str(error):
            log.warning(
                "Failed to publish",
                topic=topic,
                error_code=error.code,
                error=str(error),
            )
        failures = before.failures if before else 0
        delay_s: float = min(_AGAIN_LEAST_S * 2 ** min(failures, 10), _AGAIN_MOST_S)
        until = self._clock.monotonic() + delay_s
        self._resting[topic] = _Rest(until, failures + 1, str(error))
        return delay_s

    async def _keep_leases(self) -> None:
        while True:
            await self._clock.sleep(_LEASE_S)
            await self._lease()

    async def _lease(self) -> None:
        try:
            await self._outbox.lease(self._owner)
        except StoreError as error:
            must_pass(error)


class _Made(Sequence[Outgoing]):
    """What waits as records, each made when the producer comes to it."""

    def __init__(self, pending: Sequence[Pending]) -> None:
        self._pending = pending

    def __len__(self) -> int:
        return len(self._pending)

    def __getitem__(self, at: int) -> Outgoing:  # type: ignore[override]
        return self._pending[at].outgoing


def _waits(error: BrokerError | None) -> bool:
    """Whether the record is still to be published."""
    return error is not None and not isinstance(error, RecordTooLarge)
