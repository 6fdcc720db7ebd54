"""The embedded transport: topics in the database, for a service without a broker."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import uuid4

import structlog

from batchwire.adapters.sql import topic_rows
from batchwire.adapters.sql.database import Database
from batchwire.domain.record import Partition, Record
from batchwire.errors import BrokerError, BrokerUnreachable, RecordTooLarge, StoreError
from batchwire.ports.bus import Listener, Outgoing, SubscriptionState
from batchwire.ports.clock import Clock

LARGEST = 1_000_000  # bytes of a value; Kafka's own default is about this

_POLL_S = 0.05
_COMMIT_S = 1.0
_AWAY_S = 1.0
_PURGE_S = 600.0
_PURGE_MOST = 1_000
_KEPT = timedelta(days=7)  # as Kafka's own default has it
_MOST = 500

log = structlog.get_logger()


class EmbeddedProducer:
    """Appends to topics in the database. Implements ``ports.bus.Producer``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def open(self) -> None:
        """See the port."""

    async def publish(self, records: Sequence[Outgoing]) -> list[BrokerError | None]:
        """See the port."""
        errors: list[BrokerError | None] = [_too_large(one) for one in records]
        fit = [r for r, error in zip(records, errors, strict=True) if error is None]
        if not fit:
            return errors
        try:
            now = self._clock.now()
            await self._database.write(topic_rows.append, fit, now)
        except StoreError as error:
            away = BrokerUnreachable(str(error))
            return [known or away for known in errors]
        return errors

    async def close(self) -> None:
        """See the port."""


class EmbeddedSubscription:
    """
    Reads a topic in the database for a group. Implements ``ports.bus.Subscription``.

    A topic has one partition: of several members of a group one reads, and another one
    takes over where it leaves, or does not answer for 10 s. ``most``: records handed
    over at once.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        topic: str,
        group: str,
        *,
        most: int = _MOST,
    ) -> None:
        self._database = database
        self._clock = clock
        self._group = group
        self._most = most
        self._partition = Partition(topic, 0)
        self._owner = uuid4().hex
        self._listener: Listener | None = None
        self._task: asyncio.Task[None] | None = None
        self._next: int | None = None  # to read; None while another member reads
        self._finished: int | None = None
        self._is_paused = False
        self._polled_at = 0.0
        self._empty_at: int | None = None  # the version in which nothing more was there
        self._lag = 0
        self._commits = 0

    async def open(self, listener: Listener) -> None:
        """See the port."""
        self._listener = listener
        self._task = asyncio.create_task(self._run(listener))

    def finish(self, positions: Mapping[Partition, int]) -> None:
        """See the port."""
        if self._next is not None:
            self._finished = positions.get(self._partition, self._finished)

    def pause(self) -> None:
        """See the port."""
        self._is_paused = True

    def resume(self) -> None:
        """See the port."""
        self._is_paused = False

    @property
    def state(self) -> SubscriptionState:
        """See the port."""
        has_ended = self._task is None or self._task.done()
        is_joined = self._next is not None and not has_ended
        lag = {self._partition: self._lag} if is_joined else {}
        return SubscriptionState(
            is_joined=is_joined,
            polled_at=self._polled_at,
            lag=lag,
            commits=self._commits,
        )

    async def close(self) -> None:
        """See the port."""
        if self._task is None or self._listener is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        if self._next is not None:
            await self._listener.revoked([self._partition])
            self._next = None
            await self._commit()
        topic = self._partition.topic  # the right may be ours, and we do not know it
        await self._database.write(topic_rows.leave, topic, self._group, self._owner)

    async def _run(self, listener: Listener) -> None:
        renew_at, purge_at = 0.0, self._clock.monotonic() + _PURGE_S
        while True:
            try:
                if self._clock.monotonic() >= renew_at:
                    await self._renew(listener)
                    renew_at = self._clock.monotonic() + _COMMIT_S
                if self._clock.monotonic() >= purge_at:
                    await self._purge()
                    purge_at = self._clock.monotonic() + _PURGE_S
                has_more = await self._poll(listener)
            except StoreError as error:  # nobody awaits this task: it must go on
                log.warning(
                    "store_unavailable", error_code=error.code, error=str(error)
                )
                has_more = False
                await self._clock.sleep(_AWAY_S)
            if not has_more:
                await self._clock.sleep(_POLL_S)

    async def _renew(self, listener: Listener) -> None:
        """Keep or take the right to read; commit what is finished."""
        topic, now = self._partition.topic, self._clock.now()
        await self._commit()
        take = topic_rows.take
        at = await self._database.write(take, topic, self._group, self._owner, now)
        if at is None and self._next is not None:
            self._next = self._finished = None
            listener.lost([self._partition])
        elif at is not None and self._next is None:
            self._next = at
            listener.assigned([self._partition])

    async def _commit(self) -> None:
        if self._finished is None:
            return
        at, topic = self._finished, self._partition.topic
        await self._database.write(
            topic_rows.commit, topic, self._group, self._owner, at
        )
        self._commits += 1
        if self._finished == at:
            self._finished = None

    async def _purge(self) -> None:
        """Forget, in portions, what is older than ``_KEPT``, read or not."""
        before = self._clock.now() - _KEPT
        purge = topic_rows.purge
        while await self._database.write(purge, before, _PURGE_MOST) == _PURGE_MOST:
            pass

    async def _poll(self, listener: Listener) -> bool:
        """Hand over what is new; whether there may be more at once."""
        self._polled_at = self._clock.monotonic()
        if self._next is None or self._is_paused:
            return False
        version = self._database.version()
        if version is not None and version == self._empty_at:
            return False
        topic = self._partition.topic
        some = await self._database.read(topic_rows.read, topic, self._next, self._most)
        if some:
            self._next = _end_of(some)
            listener.received(some)
        self._lag = await self._database.read(topic_rows.lag, topic, self._next)
        self._empty_at = None if some else version
        return len(some) == self._most


def _end_of(some: Sequence[Record]) -> int:
    """Give the position after the last; what was purged leaves a gap before the first."""
    place = some[-1].place
    assert place is not None  # noqa: S101 - it was read from a topic
    return place.offset + 1


def _too_large(one: Outgoing) -> RecordTooLarge | None:
    size = len(one.record.value or b"")
    if size <= LARGEST:
        return None
    return RecordTooLarge(
        f"topic {one.topic}: a record of {size:,} bytes is larger than the {LARGEST:,}"
        " that it takes"
    )
