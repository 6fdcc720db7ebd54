"""
Delivery: chunk by chunk, by lease: intend, submit, record.

One cycle, many times a second: choose what is intended next, collect the answers, and
write both in one transaction for all batches; only then do the intended messages enter
their provider's line. Whether a batch may go on is read in that transaction, so a pause
by anybody holds from the next cycle on.
"""

import asyncio
from collections import deque
from collections.abc import Mapping

import structlog

from batchwire.domain import counts as numbers, operations
from batchwire.domain.batch import Batch
from batchwire.domain.events import Fact
from batchwire.domain.lifecycle import Status
from batchwire.domain.rationing import Rate, of_batch, of_provider
from batchwire.domain.shared_pace import SharedPace
from batchwire.engine.ending import Ending
from batchwire.engine.heart import Heart
from batchwire.engine.load import Load, Run
from batchwire.engine.patience import must_pass, told_within
from batchwire.engine.rationing import Rationing
from batchwire.engine.settings import EngineSettings
from batchwire.engine.sharing import Sharing
from batchwire.engine.submission import Line
from batchwire.errors import (
    ProviderError,
    ProviderSettingsRefused,
    StoreError,
    StoreInDoubt,
)
from batchwire.ports.clock import Clock
from batchwire.ports.provider import Provider
from batchwire.ports.store import Flush, Flushed, Store

_PROGRESS_S = 1.0
_SILENT_S = 0.25  # late, of a cycle, by which nothing is submitted any more
_FLUSHES = 3  # all as slow: so is the database, and nobody stood still
_LOOK_S = 1.0  # at a batch of which others hold what is left, and for opt-outs
_LATE_S = 60.0  # an opt-out is stored so long after its time, at most

_COMPLETE = frozenset({Status.COMPLETED, Status.DELIVERY_FAILED})

log = structlog.get_logger()


class Delivery:
    """Delivers every running batch, through the line of its provider."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        providers: Mapping[str, Provider],
        settings: EngineSettings,
        heart: Heart,
    ) -> None:
        self._store = store
        self._clock = clock
        self._providers = providers
        self._settings = settings
        self._heart = heart
        self._lines: dict[str, Line] = {}
        self._doubted: set[str] = set()  # providers, until their next batch starts
        self._runs: dict[str, Run] = {}
        self._sharing = Sharing(clock, settings)
        self._ending = Ending(store, clock)
        self.rationing = Rationing(store, clock)
        self._opt_outs_at = clock.monotonic()  # when they were looked for
        self._hunger = asyncio.Event()  # some line runs low
        self._flushes_s = deque([0.0] * _FLUSHES, maxlen=_FLUSHES)  # the last ones
        self._is_settled = True  # all that was flushed is known to be stored
        self._is_stopping = False
        self._is_draining = False

    @property
    def batch_ids(self) -> set[str]:
        """The batches in delivery here, those that are stopping included."""
        return set(self._runs)

    def has_place(self, batch: Batch) -> bool:
        """Whether it may start: too many of its provider, as urgent, are not here yet."""
        spec = batch.spec
        before = sum(
            other.provider == spec.provider and other.priority >= spec.priority
            for other in (run.batch.spec for run in self._runs.values())
        )
        return before < self._settings.max_running_batches

    async def start(self, batch: Batch) -> None:
        """
        Take up a batch that is in delivery_running.

        Raises:
            ProviderError: its provider cannot be used.

        """
        name = batch.spec.provider
        if name not in self._providers:
            known = ", ".join(sorted(self._providers)) or "none"
            message = (
                f"there is no provider {name!r} in the settings (there: {known});"
                " add it, start again, and resume the batch"
            )
            raise ProviderSettingsRefused(message)
        if name not in self._lines:
            self._lines[name] = await self._opened(name)
        line = self._lines[name]
        line.try_again()
        if name in self._doubted:
            self._doubted.remove(name)
            line.doubt()
        run = Run(batch, line, self._pace(batch), self._clock)
        run.turn = line.turn
        self._runs[batch.spec.batch_id] = run

    def doubt(self, provider: str) -> None:
        """Hear that a provider is away, or may be: its next batch begins with a trial."""
        self._doubted.add(provider)

    def is_answering(self, provider: str) -> bool:
        """Whether a provider takes messages of other batches just now."""
        return provider in self._lines and self._lines[provider].is_answering

    async def _opened(self, name: str) -> Line:
        """Open the line to a provider."""
        provider = self._providers[name]
        traits = provider.traits
        rate = Rate(parts_per_s=traits.rate_parts_per_s, burst=traits.burst_parts)
        pace = self.rationing.pace(of_provider(name), rate)
        line = Line(
            provider, pace, self._clock, self._settings, self._hunger, self._heart
        )
        try:
            await line.open()
        except ProviderError:
            raise
        except Exception as error:  # a bug of its own stops nobody else's batch
            log.exception("provider_raised", provider=name)
            message = f"provider {name} cannot be opened: {error}"
            raise ProviderSettingsRefused(message) from error
        return line

    def _pace(self, batch: Batch) -> SharedPace | None:
        """Make the pace of a batch that has a rate of its own."""
        rate = batch.spec.rate_parts_per_s
        if not rate:
            return None
        name = of_batch(batch.spec.batch_id)
        return self.rationing.pace(name, Rate(parts_per_s=rate, burst=rate / 2))

    async def run(self) -> None:
        """
        Go round until ``stop``; what is under way is finished.

        Raises:
            StoreError: the database cannot be used, or is damaged.

        """
        delay_s = self._settings.flush_interval_ms / 1000
        failed = 0
        while not self._is_stopping:
            started = self._clock.monotonic()
            try:
                await self.cycle()
                failed = 0
                for line in self._lines.values():
                    line.check()
            except StoreError as error:
                self._heard(until=0.0)
                must_pass(error)
                failed += 1
                for run in self._runs.values():
                    run.progress_at = self._clock.monotonic()
                await self._clock.sleep(min(5.0, 0.1 * 2**failed))
            await self._rest(started + delay_s)

    def stop(self) -> None:
        """End ``run`` after its cycle: one cut in half would be written twice."""
        self._is_stopping = True

    async def drain(self) -> None:
        """
        Intend nothing more; wait for what is in flight; give every chunk back.

        What was intended and not submitted is taken back first, and answers are stored
        meanwhile: whoever ends the waiting by a second signal leaves only what is in
        flight as uncertain.

        Raises:
            StoreError: the database was away until the end of the waiting time.

        """
        self._is_draining = True
        for slices in self._sharing.take().values():
            for one in reversed(slices):
                one.load.take_back(one)
        for run in self._runs.values():
            run.stop()
        until = self._clock.monotonic() + self._settings.drain_timeout_s
        try:
            while self._clock.monotonic() < until:
                if not any(run.in_flight for run in self._runs.values()):
                    break
                await self._last_cycle(until)
                await self._clock.sleep(self._settings.flush_interval_ms / 1000)
            await self._last_cycle(until)
        finally:
            for line in self._lines.values():
                await line.close()

    async def _last_cycle(self, until: float) -> None:
        wait_s = 0.1
        while self._is_settled:
            try:
                await self.cycle()
            except StoreError as error:
                if self._clock.monotonic() >= until:
                    raise
                must_pass(error)
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, 5.0)
            else:
                return

    async def cycle(self) -> None:
        """Write what was answered and what is intended next, then submit that."""
        if not self._is_draining:
            await self._hear_opt_outs()
            self._sharing.choose(self._lines.values(), self._runs.values())
        runs = [run for run in self._runs.values() if not run.is_resting]
        if not runs:
            return
        flushes = [self._flush(run) for run in runs]
        found = await self._written(flushes)
        chosen = self._sharing.take()
        for run, flush, one in zip(runs, flushes, found, strict=True):
            self._settle(run, flush, one)
            if one.status is not Status.DELIVERY_RUNNING:
                self._stopped(run, flush, one)
            elif not run.is_stopping:
                run.line.offer(chosen.get(run.batch.spec.batch_id, []))
                self._load(run, flush, one)
        self._is_settled = True
        self._opt_out({number for flush in flushes for number in flush.suppress})
        await self._after(runs)

    async def _written(self, flushes: list[Flush]) -> list[Flushed]:
        """
        Flush; what then may be stored and is not settled is never flushed again.

        Where it raises nothing is stored, unless that is what is in doubt.
        """
        self._is_settled = False
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        try:
            found = await self._store.flush(self._heart.owner, flushes)
        except Exception as error:
            self._is_settled = not isinstance(error, StoreInDoubt)
            raise
        late_s = max(_SILENT_S, 2 * min(self._flushes_s))
        self._flushes_s.append(loop.time() - asked_at)
        self._heard(until=asked_at + self._settings.flush_interval_ms / 1000 + late_s)
        return found

    def _heard(self, until: float) -> None:
        """
        Say how long the lines may go by what was read last.

        Whoever hears nothing of the database, or stood still, may have missed a pause.
        """
        for line in self._lines.values():
            line.heard_until = until

    async def _rest(self, until: float) -> None:
        """Wait for the next cycle: until a line runs low, or the interval is over."""
        self._hunger.clear()
        if any(run.is_hungry() for run in self._runs.values()):
            await asyncio.sleep(0)
            return
        left_s = max(until - self._clock.monotonic(), 0.001)
        await told_within(self._hunger.wait(), left_s, self._clock)

    def _flush(self, run: Run) -> Flush:
        """Say what is to be written of a batch; nothing is forgotten until it is."""
        found = (load.update() for load in run.loads.values())
        updates = tuple(one for one in found if one is not None)
        return Flush(
            batch_id=run.batch.spec.batch_id,
            updates=updates,
            facts=self._facts(run),
            limited_by=run.limit_to_tell(),
            claim=run.wanted,
            escaped=run.escaped_to_tell(updates),
            suppress=tuple(run.opted_out),
            reason=run.line.traits.name,
        )

    def _facts(self, run: Run) -> tuple[Fact, ...]:
        """Tell the progress: once a second, and at each tenth."""
        now = self._clock.monotonic()
        tenth = numbers.tenth(run.counts)
        if run.is_stopping or not run.untold:
            return ()
        if now - run.told_at < _PROGRESS_S and tenth == run.told_tenth:
            return ()
        run.told_at, run.told_tenth = now, tenth
        return (operations.progress(),)

    def _settle(self, run: Run, flush: Flush, found: Flushed) -> None:
        """Forget what is stored now."""
        now = self._clock.monotonic()
        if run.counts != found.counts:  # by whoever
            run.progress_at = now
        run.counts = found.counts
        run.opted_out.difference_update(flush.suppress)
        run.has_told_escaped |= flush.escaped is not None
        if flush.limited_by is not None:
            run.limit_told = flush.limited_by
        run.look_at = now + _LOOK_S
        for update in flush.updates:
            load = run.loads[update.number]
            load.settle()
            if update.segments:
                run.progress_at = run.line.progress_at = now
            if update.is_released:
                run.claim_at = min(run.claim_at, now + update.due_s)
            if update.is_released or update.number in found.stale:
                del run.loads[update.number]
        if found.stale:
            log.warning("stale_lease", batch_id=flush.batch_id, count=len(found.stale))

    def _load(self, run: Run, flush: Flush, found: Flushed) -> None:
        """Take the claimed chunks into memory."""
        if not flush.claim:
            return
        for claim in found.claims:
            run.loads[claim.number] = Load(run, claim)
        if found.claims:
            run.has_claimed = True
            run.is_exhausted = False
            return
        run.is_exhausted = found.next_due_s is None
        wait_s = _LOOK_S if found.next_due_s is None else found.next_due_s
        run.claim_at = self._clock.monotonic() + wait_s

    async def _hear_opt_outs(self) -> None:
        """
        Learn once a second whom others suppressed since their chunks were claimed.

        Asked of those in memory alone: however many are added, few are read.
        """
        now = self._clock.monotonic()
        ago_s = now - self._opt_outs_at
        if ago_s < _LOOK_S or not self._runs:
            return
        if await self._store.has_suppressed_since(ago_s + _LATE_S):
            loads = [load for run in self._runs.values() for load in run.loads.values()]
            numbers = [number for load in loads for number in load.numbers()]
            self._opt_out(await self._store.suppressed(numbers))
        self._opt_outs_at = now

    def _opt_out(self, numbers: set[str]) -> None:
        """Submit no more to numbers that are stored as suppressed now, of any batch."""
        if numbers:
            for run in self._runs.values():
                if run.is_stopping:  # whoever claims its chunks next finds them
                    continue
                for load in run.loads.values():
                    load.opt_out(numbers)

    def _stopped(self, run: Run, flush: Flush, found: Flushed) -> None:
        """Stop a batch that somebody paused or ended: what is in flight escapes."""
        run.is_complete = found.status in _COMPLETE
        if run.escaped is None:
            stored = sum(len(s.outcomes) for u in flush.updates for s in u.segments)
            run.escaped = run.in_flight + run.untold + stored
            run.stop()

    async def _after(self, runs: list[Run]) -> None:
        """Let go of what is at its end."""
        for run in runs:
            if await self._ending.is_over(run):
                batch_id = run.batch.spec.batch_id
                del self._runs[batch_id]
                self.rationing.forget(of_batch(batch_id))
