"""
Ending: what becomes of a batch in delivery that stops, is done, or cannot go on.

Looked at after each cycle, when all that was answered is stored.
"""

from datetime import datetime, timedelta

import structlog

from batchwire.domain import counts as numbers, operations
from batchwire.domain.lifecycle import Trigger
from batchwire.domain.outcome import Outcome
from batchwire.engine.load import Run
from batchwire.ports.clock import Clock
from batchwire.ports.store import Store

log = structlog.get_logger()


class Ending:
    """Moves the batches that delivery is done with."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def is_over(self, run: Run) -> bool:
        """
        End what is at its end, and stop what cannot go on.

        Returns whether nothing of the batch is left to do here.
        """
        if run.is_stopping:
            return await self._has_left(run)
        if not run.loads and not run.counts[Outcome.OPEN]:
            return await self._has_ended(run)
        if run.line.is_blocked:
            may_be_over = run.untold and not run.under_way
            if not may_be_over:  # else the next cycle tells
                await self._pause(run)
        else:
            await self._check_stall(run)
        return False

    async def _has_left(self, run: Run) -> bool:
        """Let go of a stopped batch once its last answer is stored."""
        if run.loads:
            return False
        escaped = run.escaped_to_tell()
        if escaped is not None:
            await self._store.change(
                run.batch.spec.batch_id, lambda b: operations.settle(b, escaped)
            )
        return True

    async def _pause(self, run: Run) -> None:
        """Pause a batch whose provider cannot be used; try again where that helps."""
        line, now = run.line, self._clock.now()
        if line.standing.refusal:
            reason, resume_at = f"{line.traits.name}: {line.standing.refusal}", None
        else:
            reason = f"{line.traits.name} {line.standing.trouble}"
            resume_at = now + timedelta(seconds=line.circuit.delay_s)
        await self._enter(run, Trigger.PROVIDER_STOPPED, reason, resume_at)
        run.escaped = run.in_flight + run.untold
        run.stop()

    async def _has_ended(self, run: Run) -> bool:
        batch_id = run.batch.spec.batch_id
        batch = await self._store.change(
            batch_id, lambda b: operations.end(b, self._clock.now())
        )
        log.info(
            "batch_status_update",
            batch_id=batch_id,
            status=batch.state.status,
            **{k: n for k, n in numbers.named(batch.counts).items() if n},
        )
        return True

    async def _check_stall(self, run: Run) -> None:
        """End a batch that makes no progress, unless it waits or we stood still."""
        now, timeout_s = self._clock.monotonic(), run.batch.spec.timeout_s
        stood_still = now - run.checked_at > timeout_s / 2
        run.checked_at = now
        if stood_still or run.line.is_held or run.limited_by() or not run.under_way:
            run.progress_at = now
        elif not run.in_flight:  # it stands behind others, who must move on
            run.progress_at = max(run.progress_at, run.line.progress_at)
        if now - run.progress_at > timeout_s:
            reason = f"no progress for {timeout_s} s"
            await self._enter(run, Trigger.EXPIRED, reason, None)

    async def _enter(
        self, run: Run, trigger: Trigger, reason: str, resume_at: datetime | None
    ) -> None:
        await self._store.change(
            run.batch.spec.batch_id,
            lambda b: operations.enter(
                b, trigger, self._clock.now(), reason=reason, resume_at=resume_at
            ),
        )
        log.warning(
            "batch_status_update",
            batch_id=run.batch.spec.batch_id,
            trigger=trigger,
            reason=reason,
        )
