"""The engine: scheduler, delivery, heart, side by side, until somebody says stop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from batchwire.engine.delivery import Delivery
from batchwire.engine.heart import Heart
from batchwire.engine.patience import must_pass
from batchwire.engine.rescue import rescue
from batchwire.engine.scheduler import Scheduler
from batchwire.engine.settings import EngineSettings
from batchwire.errors import StaleLease, StoreError
from batchwire.ports.clock import Clock
from batchwire.ports.provider import Provider
from batchwire.ports.store import Store

_RESTART_S = 1.0
_LOOK_S = 0.05

log = structlog.get_logger()


class Engine:
    """Runs batches: on SQLite one a database, on PostgreSQL any number."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        providers: Mapping[str, Provider],
        settings: EngineSettings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._providers = providers
        self._settings = settings
        self.restarts = 0  # loops that raised, leases that were lost

    async def run(
        self,
        stop: asyncio.Event,
        *,
        until_idle: bool = False,
        is_passing: bool = False,
    ) -> None:
        """
        Work until ``stop`` is set (or nothing is left to do), then drain.

        A loop that raises is logged, counted and started again, under another name:
        what it held is in the store, and rescue takes it back. So is everything of an
        engine that was taken for dead. ``is_passing``: others are told that this engine
        ends with a batch of its own.

        Raises:
            EngineAlreadyRunning: another process runs this database.
            StoreError: the database cannot be used at all.

        """
        heart = self._heart(is_passing=is_passing)
        await heart.start()
        while not await self._lived(heart, stop, until_idle=until_idle):
            self.restarts += 1
            await self._clock.sleep(_RESTART_S)
            heart = self._heart(is_passing=is_passing)
            await self._persist(heart.start)

    def _heart(self, *, is_passing: bool) -> Heart:
        return Heart(self._store, self._clock, self._settings, is_passing=is_passing)

    async def _lived(
        self, heart: Heart, stop: asyncio.Event, *, until_idle: bool
    ) -> bool:
        """Work under one name; False where all is to be started again."""
        beating = asyncio.create_task(heart.run(), name="heart")
        try:
            return await self._work(heart, beating, stop, until_idle=until_idle)
        finally:
            beating.cancel()
            await asyncio.wait([beating])
            await heart.stop()

    async def _work(
        self,
        heart: Heart,
        beating: asyncio.Task[None],
        stop: asyncio.Event,
        *,
        until_idle: bool,
    ) -> bool:
        """Work once; False where a loop raised and all is to be started again."""
        await self._persist(lambda: rescue(self._store, self._clock))
        delivery = Delivery(
            self._store, self._clock, self._providers, self._settings, heart
        )
        scheduler = Scheduler(
            self._store, self._clock, delivery, self._settings, heart.owner
        )
        scheduling = asyncio.create_task(scheduler.run(), name="scheduler")
        delivering = asyncio.create_task(delivery.run(), name="delivery")
        rationing = asyncio.create_task(delivery.rationing.run(), name="rationing")
        loops = (beating, scheduling, delivering, rationing)
        while not stop.is_set() and not any(loop.done() for loop in loops):
            if until_idle and scheduler.is_idle:
                break
            await asyncio.wait(loops, timeout=_LOOK_S)
        scheduling.cancel()
        rationing.cancel()
        delivery.stop()
        await asyncio.gather(scheduling, delivering, rationing, return_exceptions=True)
        # The scheduler first: it must start nothing that delivery then has to stop.
        ends = [asyncio.create_task(scheduler.drain(), name="scheduler_drain")]
        await asyncio.wait(ends)
        ends.append(asyncio.create_task(delivery.drain(), name="delivery_drain"))
        await asyncio.wait(ends)
        ended = [task for task in (*loops, *ends) if task.done()]
        broken = [task for task in ended if not task.cancelled() and task.exception()]
        for task in broken:
            error = task.exception()
            if isinstance(error, StaleLease):
                log.warning("lease_lost", owner=heart.owner, error=str(error))
                continue
            if isinstance(error, StoreError):
                raise error
            log.error("loop_raised", loop=task.get_name(), exc_info=error)
        return not broken

    async def _persist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; a database that is away for a while is waited for."""
        while True:
            try:
                await work()
            except StoreError as error:
                must_pass(error)
                await self._clock.sleep(_RESTART_S)
            else:
                return
