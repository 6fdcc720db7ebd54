"""
``BatchEventService``: consumer, publisher and relay as one service with one life.

It starts them, starts a loop again that broke, says how they are, and ends them in
order: take no more, finish what runs, publish what waits.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from batchwire.domain.metric_list import OUTBOX_OLDEST, OUTBOX_PENDING, OUTBOX_PUBLISHED
from batchwire.errors import DeadLettersExceeded, StoreError, StoreReplaced
from batchwire.events.consumer import BatchMessageConsumer
from batchwire.events.publisher import BatchEventPublisher
from batchwire.events.relay import Relay
from batchwire.ports.clock import Clock
from batchwire.ports.metrics import Metrics
from batchwire.ports.outbox import Depth, Outbox

_LOOK_S = 1.0
_RESTART_S = 1.0
_FLUSH_S = 5.0  # how long the relay goes on after the consumer has ended
_STALE_S = 30.0  # a consumer that did not poll for so long is not well
_DEGRADED = 0.8  # of the outbox's limit

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that health asks for: its name, whether it is well, what was seen."""

    name: str
    is_ok: bool
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParts:
    """
    What the service is made of.

    ``consumer`` makes one, again after a failure; None where this process consumes
    nothing. ``relay`` is None where another process relays.
    """

    publisher: BatchEventPublisher
    outbox: Outbox
    outbox_max_rows: int
    consumer: Callable[[], BatchMessageConsumer] | None
    relay: Relay | None


class BatchEventService:
    """Events in both directions, for one process."""

    def __init__(self, parts: ServiceParts, clock: Clock, metrics: Metrics) -> None:
        self.publisher = parts.publisher
        self.consumer: BatchMessageConsumer | None = None
        self.restarts = 0  # loops that broke and were started again
        self.failure = ""  # why the consumer stopped for good
        self.lost: StoreReplaced | None = None  # why the loops ended
        self.is_lost = asyncio.Event()  # the database is not where it was
        self._parts = parts
        self._clock = clock
        self._metrics = metrics
        self._depth = Depth()
        self._told: dict[str, int] = {}
        self._started_at: float | None = None
        self._stop_consuming = asyncio.Event()
        self._stop = asyncio.Event()
        self._consuming: asyncio.Task[None] | None = None
        self._before: Counter[str] = Counter()  # outcomes of consumers that broke
        self._others: list[asyncio.Task[None]] = []
        self.publish_batch_request = parts.publisher.publish_batch_request
        self.publish_batch_status_update = parts.publisher.publish_batch_status_update
        self.publish_batch_operation = parts.publisher.publish_batch_operation

    async def start(self) -> None:
        """Start the loops; returns at once. Brokers may be away."""
        if self._started_at is not None:
            return
        self._started_at = self._clock.monotonic()
        self._others = [asyncio.create_task(self._watch())]
        if self._parts.relay is not None:
            relaying = self._kept(self._parts.relay.run, self._stop)
            self._others.append(asyncio.create_task(relaying, name="relay"))
        if self._parts.consumer is not None:
            consuming = self._kept(self._consume, self._stop_consuming)
            self._consuming = asyncio.create_task(consuming, name="consumer")

    async def stop(self) -> None:
        """
        End in order: consume no more, finish what runs, publish what waits.

        What the broker does not take within 5 s waits in the outbox for the next start.
        """
        self._stop_consuming.set()
        if self._consuming is not None:
            await asyncio.gather(self._consuming, return_exceptions=True)
        self._stop.set()
        watching = self._others[:1]
        for task in watching:
            task.cancel()
        await asyncio.gather(*self._others, return_exceptions=True)
        if self._parts.relay is not None:
            until = self._clock.monotonic() + _FLUSH_S
            is_empty = await self._parts.relay.drain(until)
            if not is_empty and (left := (await self._look()).rows):
                log.warning("outbox_not_empty", count=left)

    def is_healthy(self) -> bool:
        """Whether every check is well; asks the loops, not a flag."""
        return all(check.is_ok for check in self.checks())

    def checks(self) -> list[Check]:
        """Ask each loop how it is."""
        found = [self._check_outbox()]
        if self._consuming is not None:
            found.append(self._check_consumer(self._consuming))
        if self._parts.relay is not None:
            found += [self._check_relay(self._parts.relay, t) for t in self._others[1:]]
        return found

    def get_metrics(self) -> dict[str, Any]:
        """
        Give the specification's figures.

        ``processed`` counts events since the start, ``rate_per_s`` is its mean;
        ``errors`` counts dead letters, and each further try of an event that holds up
        its partition; ``queue_depth`` events wait or run; ``lag`` records stand in the
        topic; ``uptime_s``; ``outbox_pending`` and ``outbox_oldest_s`` wait to be
        published; ``published`` were.
        """
        uptime_s = 0.0
        if self._started_at is not None:
            uptime_s = self._clock.monotonic() - self._started_at
        consumer, relay = self.consumer, self._parts.relay
        outcomes = self._before + _outcomes_of(consumer)
        processed = outcomes.total() - outcomes["failed"]
        errors = outcomes["dead"] + outcomes["failed"]
        return {
            "processed": processed,
            "errors": errors,
            "rate_per_s": processed / uptime_s if uptime_s else 0.0,
            "error_rate": errors / processed if processed else 0.0,
            "uptime_s": uptime_s,
            "queue_depth": consumer.queued if consumer else 0,
            "lag": consumer.lag if consumer else 0,
            "published": relay.published if relay else 0,
            "outbox_pending": self._depth.rows,
            "outbox_oldest_s": self._depth.oldest_s,
            "restarts": self.restarts,
        }

    async def _consume(self, stop: asyncio.Event) -> None:
        assert self._parts.consumer is not None  # noqa: S101 - else it is not started
        self._before += _outcomes_of(self.consumer)
        self.consumer = self._parts.consumer()
        try:
            await self.consumer.run(stop)
        except DeadLettersExceeded as error:
            self.failure = str(error)
        if self.failure:
            log.error("consumer_stopped", error=self.failure)

    async def _kept(
        self, loop: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event
    ) -> None:
        """Run a loop to its end; one that breaks is logged, counted, started again."""
        while not stop.is_set():
            try:
                await loop(stop)
            except StoreReplaced as error:
                log.error("store_unavailable", error_code=error.code, error=str(error))  # noqa: TRY400 - it says it all
                self.lost = error
                self.is_lost.set()
                return
            except Exception as error:  # a defect, or a dependency that gave up
                self.restarts += 1
                log.exception("loop_raised", loop=loop.__qualname__, error=str(error))
            else:
                return
            await self._clock.sleep(_RESTART_S)

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except StoreError as error:
                log.warning(
                    "store_unavailable", error_code=error.code, error=str(error)
                )
            await self._clock.sleep(_LOOK_S)

    async def _look(self) -> Depth:
        self._depth = await self._parts.outbox.depth()
        self._metrics.set(OUTBOX_PENDING, self._depth.rows)
        self._metrics.set(OUTBOX_OLDEST, self._depth.oldest_s)
        if self._parts.relay is not None:
            self._tell_published(self._parts.relay)
        return self._depth

    def _tell_published(self, relay: Relay) -> None:
        now = {"ok": relay.published, "failed": relay.failed, "refused": relay.refused}
        for outcome, count in now.items():
            more = count - self._told.get(outcome, 0)
            self._metrics.add(OUTBOX_PUBLISHED, more, outcome=outcome)
        self._told = now

    def _check_outbox(self) -> Check:
        most = self._parts.outbox_max_rows
        seen = f"{self._depth.rows:,} of {most:,} records wait"
        return Check(
            name="outbox", is_ok=self._depth.rows < most * _DEGRADED, seen=seen
        )

    def _check_relay(self, relay: Relay, relaying: asyncio.Task[None]) -> Check:
        """Well while it runs: what a broker does not take, the outbox keeps."""
        seen = "ended" if relaying.done() else relay.last_error or "runs"
        return Check(name="relay", is_ok=not relaying.done(), seen=seen)

    def _check_consumer(self, consuming: asyncio.Task[None]) -> Check:
        if self.failure or consuming.done():
            return Check(name="consumer", is_ok=False, seen=self.failure or "ended")
        states = [s.state for s in self.consumer.subscriptions] if self.consumer else []
        polled_at = min((state.polled_at for state in states), default=0.0)
        age_s = self._clock.monotonic() - polled_at
        if not any(state.is_joined for state in states):
            return Check(name="consumer", is_ok=False, seen="has not joined its group")
        seen = f"polled {age_s:.1f} s ago"
        return Check(name="consumer", is_ok=age_s < _STALE_S, seen=seen)


def _outcomes_of(consumer: BatchMessageConsumer | None) -> Counter[str]:
    """Give what became of events, and how often a handler raised, as ``failed``."""
    if consumer is None:
        return Counter()
    return consumer.outcomes + Counter(failed=consumer.failed)
