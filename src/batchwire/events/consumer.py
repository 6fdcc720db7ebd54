"""
``BatchMessageConsumer``: from the topic to effects, each once, in order per batch.

Records go into lanes, one a batch; ``processors`` workers take the heads of lanes and
decide their effects, which are written in groups; only then is an event finished, and
an offset is committed when everything before it is. Nothing here trusts that one batch
comes from one partition: the database decides, lanes only keep contention away.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from batchwire.domain.dead_letter import Disposition
from batchwire.domain.record import Partition, Record
from batchwire.errors import BatchwireError, StoreError
from batchwire.events.arrivals import Received, lane_key, receive
from batchwire.events.committer import Committer, Settled
from batchwire.events.failures import Failures
from batchwire.events.handlers import Handler
from batchwire.events.lanes import Item, Lanes
from batchwire.events.members import Member, partition_of, place_of
from batchwire.events.meter import RETRIED, Meter
from batchwire.events.parking import Parking
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.messages.message import MessageType
from batchwire.ports.bus import Subscription
from batchwire.ports.clock import Clock
from batchwire.ports.inbox import (
    Announce,
    Applied,
    Bury,
    Effect,
    Inbox,
    Observe,
    Park,
)
from batchwire.ports.metrics import Metrics

_MOST_BYTES = 32 * 1024 * 1024  # waiting and running, besides ``queue_capacity``
_PURGE_S = 600.0
_PURGE_MOST = 10_000
_LOOK_S = 0.05
_TELL_S = 0.5
_DRAIN_S = 25.0

log = structlog.get_logger()


class BatchMessageConsumer:
    """
    Consumes the topic as one process's share of a consumer group.

    ``handlers`` is the table of who handles which message type; an event of another
    type is a dead letter.
    """

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        inbox: Inbox,
        handlers: Mapping[MessageType, Handler],
        clock: Clock,
        config: BatchEventServiceConfig,
        metrics: Metrics,
    ) -> None:
        self.subscriptions = tuple(subscriptions)
        self._members = [Member(self, one) for one in subscriptions]
        self._inbox = inbox
        self._handlers = handlers
        self._clock = clock
        self._config = config
        group = config.consumer.group_id
        self._meter = Meter(metrics, group)
        self._lanes = Lanes()
        self._committer = Committer(inbox, clock, group, self._settled, self._may_grow)
        most_parked = max(1, config.consumer.queue_capacity // 20)
        self._parking = Parking(inbox, clock, group, most_parked)
        self._failures = Failures(config, clock)
        self._is_ready = asyncio.Event()
        self._has_finished = asyncio.Event()
        self._is_paused = False
        self._is_broken = False
        self._largest = 0  # bytes that came at once

    @property
    def queued(self) -> int:
        """Events waiting or running."""
        return self._lanes.count

    @property
    def outcomes(self) -> Counter[str]:
        """What became of the events that are finished."""
        return self._meter.outcomes

    @property
    def failed(self) -> int:
        """How often a handler raised."""
        return self._meter.failed

    @property
    def lag(self) -> int:
        """Records that stand in the topic and are not received yet."""
        return sum(sum(one.state.lag.values()) for one in self.subscriptions)

    async def run(self, stop: asyncio.Event) -> None:
        """
        Consume until ``stop``, then finish what runs and leave the group.

        Raises:
            DeadLettersExceeded: too many events in a row, or of the last thousand,
                could not be handled; the offset stays before the last of them.
            StoreError: the database cannot be used at all.
            BrokerError: the settings cannot work.

        """
        works = [self._committer.run(), self._parking.run(self._push), self._purge()]
        works += [self._process() for _ in range(self._config.consumer.processors)]
        tasks = [asyncio.create_task(work) for work in works]
        stopping = asyncio.create_task(stop.wait())
        try:
            for member in self._members:
                await member.subscription.open(member)
            while not stop.is_set():
                self._meter.tell(self._lanes, self._members, self._clock)
                await asyncio.wait(
                    (*tasks, stopping), timeout=_TELL_S, return_when="FIRST_COMPLETED"
                )
                for task in tasks:
                    if task.done():
                        self._is_broken = True
                        task.result()
        finally:
            stopping.cancel()
            await self._end(tasks)

    async def _end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Leave the group with all members at once, so that one time-out is enough."""
        self._parking.is_closed = True
        leaving = [member.subscription.close() for member in self._members]
        for error in await asyncio.gather(*leaving, return_exceptions=True):
            if isinstance(error, BatchwireError):
                log.warning("not_left", error_code=error.code, error=str(error))
            elif isinstance(error, Exception):
                log.error("not_left", exc_info=error)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What the members tell (``members.Taker``).

    def take(self, member: Member, records: Sequence[Record]) -> None:
        """Put records into their lanes; at the limit, ask for no more."""
        now, before = self._clock.monotonic(), self._lanes.size_bytes
        for record in records:
            received = receive(record)
            self._meter.received(received)
            self._push(_item(received, member, now))
        self._largest = max(self._largest, self._lanes.size_bytes - before)
        self._balance()

    def forget(self, member: Member, gone: frozenset[Partition]) -> None:
        """Forget what waits of these partitions."""
        self._lanes.drop(lambda item: _is_of(item, member, gone))
        self._balance()

    async def leave(self, member: Member, gone: frozenset[Partition]) -> None:
        """Forget what waits of these partitions, and finish what runs."""
        self.forget(member, gone)
        until = self._clock.monotonic() + _DRAIN_S
        while not self._is_broken and self._clock.monotonic() < until:
            if not any(_is_of(item, member, gone) for item in self._lanes.busy()):
                return
            self._has_finished.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._has_finished.wait()

    def rebalanced(self, kind: str) -> None:
        """Count that partitions came or went."""
        self._meter.rebalanced(kind)

    def left(self, partitions: Sequence[Partition]) -> None:
        """Note that these are somebody else's."""
        self._meter.forget(partitions)

    def _push(self, item: Item) -> None:
        self._lanes.push(item)
        self._is_ready.set()

    def _balance(self) -> None:
        """Stop fetching where what may come at once is too much; go on where it is not."""
        settings = self._config.consumer
        coming = settings.most_at_once * len(self.subscriptions) + self._parking.most
        count, size = self._lanes.count, self._lanes.size_bytes
        is_full = count > 0 and (
            count + coming > settings.queue_capacity
            or size + self._largest > _MOST_BYTES
        )
        if is_full and not self._is_paused:
            self._is_paused = True
            self._committer.hurry()
            for one in self.subscriptions:
                one.pause()
        elif self._is_paused and not is_full:
            self._is_paused = False
            for one in self.subscriptions:
                one.resume()

    # What the workers do.

    async def _process(self) -> None:
        while True:
            while not self._lanes.has_ready:
                self._is_ready.clear()
                await self._is_ready.wait()
            item = self._lanes.take()
            item.taken_at = item.taken_at or self._clock.monotonic()
            self._meter.in_flight += 1
            try:
                effect = await self._decide(item)
            finally:
                self._meter.in_flight -= 1
            if effect is None:
                continue
            if isinstance(effect, Observe | Announce):  # this is what it comes to
                self._lanes.write(item)
            self._committer.add(item, effect)

    async def _decide(self, item: Item) -> Effect | None:
        """Have an event handled; None where nothing is to be written (now)."""
        decoded = item.received.decoded
        if decoded is None:
            return self._failures.of_unreadable(item)
        if decoded.source == self._config.source:
            self._finish([(item, "echo")])
            return None
        handler = self._handlers.get(decoded.message.TYPE)
        if handler is None:
            problem = f"nothing here handles {decoded.message.TYPE}"
            return self._failures.bury(item, Disposition.UNSUPPORTED_TYPE, problem)
        try:
            if await self._must_wait(item):
                return Park(self._clock.now(), "waits behind others")
            return await handler(item.received)
        except Exception as error:  # noqa: BLE001 - a bug of a handler is tried again
            return self._failed(item, error)

    async def _must_wait(self, item: Item) -> bool:
        """
        Whether parked events of its batch have their turn first.

        Asked before an operation only, whose handler has its effect at once. A request
        waits for nobody: others wait for it. Of what is only written down the inbox
        knows it.
        """
        received = item.received
        if received.decoded is None or item.parked_id:
            return False
        if received.decoded.message.TYPE is not MessageType.BATCH_OPERATION:
            return False
        group = self._config.consumer.group_id
        return await self._inbox.is_waiting(group, received.batch_id)

    def _failed(self, item: Item, error: Exception) -> Effect | None:
        is_ours = isinstance(error, BatchwireError)
        code = error.code if isinstance(error, BatchwireError) else "handler_raised"
        self._meter.raised(code)
        if not is_ours:
            log.error("handler_raised", exc_info=error)
        what = self._failures.of_error(item, error)
        if not isinstance(what, float):
            return what
        holds_up = self._failures.has_no_retries(item)
        self._meter.retried(item.received, holds_up=holds_up)
        self._lanes.rest(item)
        self._has_finished.set()
        asyncio.get_running_loop().call_later(what, self._again, item)
        return None

    def _again(self, item: Item) -> None:
        self._lanes.again(item)
        self._is_ready.set()

    # What the committer tells.

    def _may_grow(self, count: int) -> bool:
        """Whether only what arrives next could join a group: nothing else waits or runs."""
        return not self._is_paused and count == self._lanes.count

    def _settled(self, group: Sequence[Settled]) -> None:
        """Finish events whose effect is durable; decide on those that had none."""
        done = []
        try:
            for item, effect, applied in group:
                outcome = self._outcome(item, effect, applied)
                if outcome:
                    done.append((item, outcome))
        finally:  # also where one is a dead letter too many
            self._finish(done)

    def _outcome(self, item: Item, effect: Effect, applied: Applied) -> str:
        """Say how an event is finished; empty where it is not."""
        if applied is Applied.UNKNOWN:
            self._committer.add(item, self._failures.of_unknown_batch(item))
            return ""
        if applied is Applied.CONFLICT:
            self._committer.add(item, self._failures.of_conflict(item))
            return ""
        if applied is Applied.PARKED or isinstance(effect, Park):
            return RETRIED
        if isinstance(effect, Bury) and applied is Applied.DONE:
            self._meter.buried(effect.disposition)
            return "dead"
        self._failures.handled()
        return applied

    def _finish(self, done: Sequence[tuple[Item, str]]) -> None:
        finished: defaultdict[Member, list[Record]] = defaultdict(list)
        for item, _ in done:
            self._lanes.finish(item)
            if item.member is None:
                self._parking.left(item.parked_id)
            else:
                finished[item.member].append(item.received.record)
        for member, records in finished.items():
            member.finished(records)
        self._meter.finished(done, self._clock)
        self._balance()
        self._has_finished.set()
        self._is_ready.set()

    # What happens by the clock.

    async def _purge(self) -> None:
        """Forget, in portions, what was handled long ago."""
        days = timedelta(days=self._config.inbox_days)
        while True:
            await self._clock.sleep(_PURGE_S)
            before = self._clock.now() - days
            try:
                while await self._inbox.purge(before, _PURGE_MOST) == _PURGE_MOST:
                    pass
            except StoreError as error:  # the next time
                log.warning(
                    "store_unavailable", error_code=error.code, error=str(error)
                )


def _item(received: Received, member: Member, now: float) -> Item:
    """
    Make the item of a record that a member received.

    A status update is only written down, so it may follow those before it into one
    group; what acts at once waits until they are stored.
    """
    decoded = received.decoded
    return Item(
        received,
        lane_key(received),
        member,
        may_follow=decoded is not None
        and decoded.message.TYPE is MessageType.BATCH_STATUS_UPDATE,
        received_at=now,
    )


def _is_of(item: Item, member: Member, partitions: frozenset[Partition]) -> bool:
    if item.member is not member:
        return False
    return partition_of(place_of(item.received.record)) in partitions
