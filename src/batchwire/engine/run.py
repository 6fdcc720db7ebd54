"""The engine: scheduler and delivery, side by side, until somebody says stop."""

import asyncio
import os
from collections.abc import Mapping

import structlog

from batchwire.engine.delivery import Delivery
from batchwire.engine.rescue import rescue
from batchwire.engine.scheduler import Scheduler
from batchwire.engine.settings import EngineSettings
from batchwire.errors import StoreError
from batchwire.ports.clock import Clock
from batchwire.ports.provider import Provider
from batchwire.ports.store import Store

_RESTART_S = 1.0
_LOOK_S = 0.05

log = structlog.get_logger()


class Engine:
    """Runs batches. One a database."""

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
        self.restarts = 0  # loops that raised and were started again

    async def run(self, stop: asyncio.Event, *, until_idle: bool = False) -> None:
        """
        Work until ``stop`` is set (or nothing is left to do), then drain.

        A loop that raises is logged, counted and started again: what it held is in
        the store, and rescue takes it back.

        Raises:
            EngineAlreadyRunning: another process runs this database.
            StoreError: the database cannot be used at all.

        """
        await self._store.become_engine()
        while not await self._work(stop, until_idle=until_idle):
            self.restarts += 1
            await self._clock.sleep(_RESTART_S)

    async def _work(self, stop: asyncio.Event, *, until_idle: bool) -> bool:
        """Work once; False where a loop raised and all is to be started again."""
        await self._rescue()
        delivery = Delivery(
            self._store,
            self._clock,
            self._providers,
            self._settings,
            owner=f"{os.getpid()}.{self.restarts}",
        )
        scheduler = Scheduler(self._store, self._clock, delivery, self._settings)
        loops = [
            asyncio.create_task(scheduler.run(), name="scheduler"),
            asyncio.create_task(delivery.run(), name="delivery"),
            asyncio.create_task(delivery.rationing.run(), name="rationing"),
        ]
        while not stop.is_set() and not any(loop.done() for loop in loops):
            if until_idle and scheduler.is_idle:
                break
            await asyncio.wait(loops, timeout=_LOOK_S)
        broken = [loop for loop in loops if loop.done()]
        loops[0].cancel()
        loops[2].cancel()
        delivery.stop()
        await asyncio.gather(*loops, return_exceptions=True)
        # The scheduler first: it must start nothing that delivery then has to stop.
        ends = [asyncio.create_task(scheduler.drain(), name="scheduler_drain")]
        await asyncio.wait(ends)
        ends.append(asyncio.create_task(delivery.drain(), name="delivery_drain"))
        await asyncio.wait(ends)
        broken += [end for end in ends if end.exception() is not None]
        for task in broken:
            error = task.exception()
            if isinstance(error, StoreError):
                raise error
            log.error("loop_raised", loop=task.get_name(), exc_info=error)
        return not broken

    async def _rescue(self) -> None:
        """Rescue; a database that is away for a while is waited for."""
        while True:
            try:
                await rescue(self._store, self._clock)
            except StoreError as error:
                if not error.retryable:
                    raise
                log.warning(
                    "store_unavailable", error_code=error.code, error=str(error)
                )
                await self._clock.sleep(_RESTART_S)
            else:
                return
