"""
Group commit: the effects of many events in one transaction.

A durable write costs the same for one event and for a hundred; so while one group is
written, the next one gathers.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from batchwire.errors import StoreError, StoreInDoubt
from batchwire.events.lanes import Item
from batchwire.ports.clock import Clock
from batchwire.ports.inbox import Applied, Arrival, Effect, Inbox

_MOST = 500  # effects in one transaction
_GATHER_S = 0.003  # what a group waits at most for more
_AGAIN_LEAST_S, _AGAIN_MOST_S = 0.1, 5.0

log = structlog.get_logger()


Settled = tuple[Item, Effect, Applied]  # what became of one event's effect
Tell = Callable[[Sequence[Settled]], None]


class Committer:
    """
    Writes effects down; tells of each group what became of it, in its order.

    ``may_grow`` says whether what arrives next may join a group of so many effects.
    """

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        consumer: str,
        tell: Tell,
        may_grow: Callable[[int], bool],
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._consumer = consumer
        self._tell = tell
        self._waiting: list[tuple[Item, Effect]] = []
        self._may_grow = may_grow
        self._has_work = asyncio.Event()
        self._is_full = asyncio.Event()

    def add(self, item: Item, effect: Effect) -> None:
        """Have an effect written with the next group."""
        self._waiting.append((item, effect))
        self._has_work.set()

    def hurry(self) -> None:
        """Let a group that waits for more be written: no more can come."""
        self._is_full.set()

    async def run(self) -> None:
        """
        Write groups until cancelled; a database that is away is waited for.

        Raises:
            StoreError: the database cannot be used at all.

        """
        while True:
            await self._has_work.wait()
            await self._gather()
            group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            if not self._waiting:
                self._has_work.clear()
            found = await self._write(group)
            self._tell(
                [
                    (item, effect, applied)
                    for (item, effect), applied in zip(group, found, strict=True)
                ]
            )

    async def _gather(self) -> None:
        """Wait a moment for what arrives, unless others wait for this group."""
        if not self._may_grow(len(self._waiting)):
            return
        self._is_full.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GATHER_S):
                await self._is_full.wait()

    async def _write(self, group: list[tuple[Item, Effect]]) -> list[Applied]:
        work = [(self._arrival(item), effect) for item, effect in group]
        failed = 0
        while True:
            try:
                return await self._inbox.apply(work)
            except StoreError as error:
                # In doubt is no harm: what was committed is a duplicate next time.
                if not error.retryable and not isinstance(error, StoreInDoubt):
                    raise
                failed += 1
                log.warning(
                    "store_unavailable", error_code=error.code, error=str(error)
                )
            await self._clock.sleep(min(_AGAIN_LEAST_S * 2**failed, _AGAIN_MOST_S))

    def _arrival(self, item: Item) -> Arrival:
        received = item.received
        return Arrival(
            consumer=self._consumer,
            event_id=received.event_id,
            batch_id=received.batch_id,
            record=received.record,
            parked_id=item.parked_id,
        )
