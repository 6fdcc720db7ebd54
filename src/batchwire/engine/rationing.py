"""
Rationing: the rates that all processes share, reserved a moment ahead.

One loop for all providers and batches of this process: it learns every second which
rates hold, and asks for the slots that are wanted, all in one transaction.
"""

import asyncio

from batchwire.domain.rationing import Rate
from batchwire.domain.shared_pace import SharedPace
from batchwire.engine.patience import must_pass, told_within
from batchwire.errors import StoreError
from batchwire.ports.clock import Clock
from batchwire.ports.store import Store

_LOOK_S = 1.0  # how soon everybody follows a rate that was changed
_REST_S = 0.01
_AWAY_S = 0.5


class Rationing:
    """Keeps every pace of this process supplied."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._paces: dict[str, SharedPace] = {}
        self._wanted = asyncio.Event()
        self._looked_at: float | None = None

    def pace(self, name: str, rate: Rate) -> SharedPace:
        """Make the pace of a provider or batch; it goes once its rate is known."""
        pace = self._paces[name] = SharedPace(name, rate, self._wanted.set)
        self._looked_at = None
        self._wanted.set()
        return pace

    def forget(self, name: str) -> None:
        """Supply it no more."""
        self._paces.pop(name, None)

    async def run(self) -> None:
        """Go round until cancelled. While the store is away nothing limited goes."""
        while True:
            try:
                await self._look()
                await self._reserve()
            except StoreError as error:
                must_pass(error)
                await self._clock.sleep(_AWAY_S)
            await self._rest()

    async def _look(self) -> None:
        """Learn which rates hold, once a second and where a pace is new."""
        now = self._clock.monotonic()
        is_early = self._looked_at is not None and now - self._looked_at < _LOOK_S
        if is_early or not self._paces:
            return
        self._looked_at = now
        kept = await self._store.rates()
        for name, pace in self._paces.items():
            pace.set(kept.rates.get(name), is_shared=kept.is_shared)

    async def _reserve(self) -> None:
        asked_at = self._clock.monotonic()
        found = (pace.ask(asked_at) for pace in self._paces.values())
        asks = [ask for ask in found if ask is not None]
        if not asks:
            return
        grants = await self._store.reserve(asks)
        now = self._clock.monotonic()
        for given in grants:
            if pace := self._paces.get(given.name):
                pace.given(given, asked_at, now)

    async def _rest(self) -> None:
        """Wait until slots are wanted, or for the next look."""
        self._wanted.clear()
        if any(pace.is_wanting for pace in self._paces.values()):
            await self._clock.sleep(_REST_S)
            return
        await told_within(self._wanted.wait(), _LOOK_S, self._clock)
