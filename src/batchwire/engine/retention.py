"""
Retention: who the recipients of a batch were is forgotten some time after its end.

First the batch is marked by an event, in whose transaction it is decided; from then on
it can neither be retried nor read. Then what names its recipients goes, by portions. A
run that is cut short is finished by the next.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from batchwire.domain import operations
from batchwire.errors import StoreError
from batchwire.ports.clock import Clock
from batchwire.ports.recipient_lists import KEPT_UNUSED
from batchwire.ports.retention import Ended, Retention
from batchwire.ports.store import Store

_PORTION = 200  # rows in one transaction; those with blobs are 20 KB each
_FIRST_S = 60.0  # a service that starts has better things to do
_DAY_S = 86_400.0

Tell = Callable[[str, int], None]  # at which batch, and how many rows are gone

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """
    What was forgotten.

    ``unanswered``: batches that were left alone, because submissions still wait for
    their answer.
    """

    batches: int
    recipients: int
    rows: int
    unanswered: int


class Purge:
    """Forgets what is older than asked. Any number may run at once."""

    def __init__(self, store: Store, retention: Retention, clock: Clock) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock

    async def run(
        self, before: datetime, by: str, tell: Tell = lambda *_: None
    ) -> Purged:
        """Purge the batches that ended before then, and what else is older."""
        batches = recipients = unanswered = rows = 0
        async for one in self._retention.ended(before):
            if not await self._mark(one, before, by):
                unanswered += 1
                continue
            erase = partial(self._retention.erase, one.batch_id, before, _PORTION)
            gone = await self._all_of(erase)
            batches, recipients = batches + 1, recipients + one.recipients
            rows += gone
            log.info("purged", batch_id=one.batch_id, count=one.recipients)
            tell(one.batch_id, gone)
        unused = min(before, self._clock.now() - KEPT_UNUSED)
        forget = partial(self._retention.forget, before, unused, _PORTION)
        rows += await self._all_of(forget)
        return Purged(
            batches=batches, recipients=recipients, rows=rows, unanswered=unanswered
        )

    async def _mark(self, one: Ended, before: datetime, by: str) -> bool:
        """Decide for a batch; whether it is purged then."""
        if one.is_purged:
            return True
        async for _ in self._store.chunks(one.batch_id, is_leased=True):
            return False
        now = self._clock.now()
        batch = await self._store.change(
            one.batch_id,
            lambda batch: operations.purge(batch, before, now, by=by),
        )
        return batch.state.is_purged

    async def _all_of(self, portion: Callable[[], Awaitable[int]]) -> int:
        """Go on until nothing is left, and let others write as long as we did."""
        rows = 0
        started = self._clock.monotonic()
        while gone := await portion():
            rows += gone
            await self._clock.sleep(self._clock.monotonic() - started)
            started = self._clock.monotonic()
        return rows


async def daily(purge: Purge, days: int, clock: Clock) -> None:
    """Purge once a day what is older than so many days, until it is cancelled."""
    await clock.sleep(_FIRST_S)
    while True:
        try:
            done = await purge.run(
                clock.now() - timedelta(days=days), operations.SERVICE
            )
        except StoreError as error:  # tomorrow is soon enough
            log.warning("purge_failed", error_code=error.code, error=str(error))
        except Exception as error:  # a defect: the batches go on all the same
            log.exception("loop_raised", loop="retention", error=str(error))
        else:
            log.info("purge_ended", count=done.batches, rows=done.rows)
        await clock.sleep(_DAY_S)
