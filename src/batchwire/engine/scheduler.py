"""
The scheduler: which batch goes on, and when.

It looks at the batches when one has changed, and every second: schedule_time,
not_after, whose turn it is by priority, and what the service paused by itself and may
try again. Now and then it takes back what dead workers held.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from batchwire.domain import operations, turns
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Status, Trigger
from batchwire.engine.delivery import Delivery
from batchwire.engine.patience import must_pass
from batchwire.engine.preparation import Preparation
from batchwire.engine.rescue import rescue
from batchwire.engine.settings import EngineSettings
from batchwire.errors import ProviderError, StaleLease, StoreError, StoreInDoubt
from batchwire.ports.clock import Clock
from batchwire.ports.recipient_lists import KEPT_UNUSED
from batchwire.ports.store import Store

_LOOK_S = 1.0
_AGAIN_S = 2.0  # what preparation lacks is not there at once
_RESCUES = 6  # in the time after which a worker is dead
_TIDY_S = 3600.0
_ACTIVE = tuple(status for status in Status if not status.has_ended)
_TO_PREPARE = (Status.PREPARATION_READY, Status.PREPARATION_RUNNING)

log = structlog.get_logger()


class Scheduler:
    """Moves batches on; starts preparation and delivery."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        delivery: Delivery,
        settings: EngineSettings,
        owner: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._delivery = delivery
        self._settings = settings
        self._owner = owner
        self._rescue_at = 0.0
        self._preparing: dict[str, asyncio.Task[None]] = {}
        self.is_idle = False  # no batch is left that moves by itself

    async def run(self) -> None:
        """Go round until cancelled."""
        tidy_at, seen = self._clock.monotonic(), 0
        while True:
            try:
                if self._clock.monotonic() >= tidy_at:
                    await self._store.discard_orphans(self._clock.now() - KEPT_UNUSED)
                    tidy_at = self._clock.monotonic() + _TIDY_S
                await self.tick()
                seen = await self._store.changed(seen, _LOOK_S)
            except StoreError as error:
                must_pass(error)
                await self._clock.sleep(1.0)

    async def drain(self) -> None:
        """Stop preparing: what is stored stays, the rest is done again."""
        for task in self._preparing.values():
            if not task.cancelling():  # a second one would not wait for its write
                task.cancel()
        await asyncio.gather(*self._preparing.values(), return_exceptions=True)

    async def tick(self) -> None:
        """Look at every batch that has not ended, the most urgent first."""
        await self._reap()
        await self._rescue()
        batches = await self._store.batches(_ACTIVE)
        batches.sort(key=lambda b: (-b.spec.priority, b.spec.created_at))
        for batch in batches:
            await self._look(batch)
        await self._prepare(
            [b for b in batches if b.state.status in _TO_PREPARE and not self._late(b)]
        )
        self.is_idle = not self._delivery.batch_ids and all(
            b.state.status.is_paused and b.resume_at is None for b in batches
        )

    async def _rescue(self) -> None:
        now = self._clock.monotonic()
        if now >= self._rescue_at:
            await rescue(self._store, self._clock)
            self._rescue_at = now + self._settings.dead_after_s / _RESCUES

    async def _look(self, batch: Batch) -> None:
        now, spec = self._clock.now(), batch.spec
        if self._late(batch):
            await self._enter(batch, Trigger.EXPIRED, "not_after has passed")
            return
        match batch.state.status:
            case Status.SCHEDULED:
                if spec.schedule_time is None or spec.schedule_time <= now:
                    await self._enter(batch, Trigger.SCHEDULE_DUE)
            case Status.DELIVERY_READY | Status.DELIVERY_RUNNING:
                await self._deliver(batch)
            case Status.DELIVERY_PAUSED if batch.resume_at is not None:
                self._delivery.doubt(spec.provider)
                # Further ahead than twice the longest: the clock was set back since.
                longest = timedelta(seconds=self._settings.circuit_max_delay_s)
                waits = now < batch.resume_at <= now + 2 * longest
                if not waits or self._delivery.is_answering(spec.provider):
                    await self._enter(batch, Trigger.PROVIDER_BACK, "trying again")
            case _:
                pass

    def _late(self, batch: Batch) -> bool:
        not_after = batch.spec.not_after
        is_late = not_after is not None and not_after <= self._clock.now()
        return is_late and operations.may_expire(batch)

    async def _prepare(self, batches: Sequence[Batch]) -> None:
        """Prepare those whose turn it is; who yields goes on later, where he stood."""
        most = self._settings.max_preparing_batches
        free = [b for b in batches if b.prepared_by in {"", self._owner}]
        chosen = turns.to_prepare(free, most)
        for batch in free:
            task = self._preparing.get(batch.spec.batch_id)
            if task and batch not in chosen and not task.cancelling():
                task.cancel()
                log.info("preparation_yields", batch_id=batch.spec.batch_id)
        for batch in chosen:
            is_full = len(self._preparing) >= most
            if batch.spec.batch_id not in self._preparing and not is_full:
                work = Preparation(self._store, self._clock, batch, self._owner).run()
                self._preparing[batch.spec.batch_id] = asyncio.create_task(work)

    async def _deliver(self, batch: Batch) -> None:
        batch_id = batch.spec.batch_id
        if batch_id in self._delivery.batch_ids or not self._delivery.has_place(batch):
            return
        if batch.state.status is Status.DELIVERY_READY:
            batch = await self._enter(batch, Trigger.DELIVERY_STARTED)
        else:  # begun by another process, whose provider may be away
            self._delivery.doubt(batch.spec.provider)
        if batch.state.status is Status.DELIVERY_RUNNING:
            try:
                await self._delivery.start(batch)
            except ProviderError as error:
                await self._enter(batch, Trigger.PROVIDER_STOPPED, str(error))

    async def _enter(self, batch: Batch, trigger: Trigger, reason: str = "") -> Batch:
        after = await self._store.change(
            batch.spec.batch_id,
            lambda b: operations.enter(b, trigger, self._clock.now(), reason=reason),
        )
        log.info(
            "batch_status_update",
            batch_id=batch.spec.batch_id,
            status=after.state.status,
            reason=reason,
        )
        return after

    async def _reap(self) -> None:
        """Look how preparations ended; a store that was away is tried again."""
        for batch_id, task in list(self._preparing.items()):
            if not task.done():
                continue
            del self._preparing[batch_id]
            error = None if task.cancelled() else task.exception()
            if isinstance(error, StaleLease):
                log.warning("lease_lost", batch_id=batch_id, error=str(error))
            elif isinstance(error, StoreError) and (
                error.retryable or isinstance(error, StoreInDoubt)
            ):  # it goes on behind what is stored, whatever that is
                log.warning("store_unavailable", batch_id=batch_id, error=str(error))
                rest = self._clock.sleep(_AGAIN_S)  # in its place
                self._preparing[batch_id] = asyncio.create_task(rest)
            elif error is not None:
                log.error("preparation_raised", batch_id=batch_id, exc_info=error)
                batch = await self._store.batch(batch_id)
                reason = f"internal error: {error!r}; please report it"
                if isinstance(error, StoreError):
                    reason = str(error)
                await self._enter(batch, Trigger.PREPARATION_FAILED, reason)
