"""Doing many small things a little later, with one timer for all of them."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class DelayLine:
    """
    Calls things later, in order of their due time and, within one tick, of arrival.

    One event-loop timer is set, to the next tick that holds anything, so a hundred
    thousand answers under way cost no hundred thousand timers. Nothing is called
    early; at most one tick late, and what the loop is late.
    """

    TICK_S = 0.001

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[tuple[Callable[[Any], None], Any]]] = {}
        self._ticks: list[int] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(
        self, due_s: float, action: Callable[[Any], None], argument: object
    ) -> None:
        """Call ``action(argument)`` at ``due_s`` of the loop's clock."""
        tick = int(due_s / self.TICK_S) + 1
        slot = self._slots.get(tick)
        if slot is not None:
            slot.append((action, argument))
            return
        self._slots[tick] = [(action, argument)]
        heappush(self._ticks, tick)
        if self._ticks[0] == tick:
            self._set_timer()

    def close(self) -> None:
        """Forget everything that is still to come. Idempotent."""
        self._slots.clear()
        self._ticks.clear()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ticks:
            due_s = self._ticks[0] * self.TICK_S
            self._timer = self._loop.call_at(due_s, self._run_due)

    def _run_due(self) -> None:
        now = round(self._loop.time() / self.TICK_S)
        while self._ticks and self._ticks[0] <= now:
            for action, argument in self._slots.pop(heappop(self._ticks)):
                action(argument)
        self._set_timer()
