"""The door to time."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people read, one that only moves forward."""

    def now(self) -> datetime:
        """Wall-clock time, aware, UTC. May jump."""
        ...

    def unix_us(self) -> int:
        """Wall-clock time, Unix microseconds: as ``now``, a quarter of its cost."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never jumps, never goes back."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait; a test's clock returns when it is moved past the moment."""
        ...
