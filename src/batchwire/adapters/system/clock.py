"""The clocks of this machine."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Implements ``ports.clock.Clock``. Has no state: one is as good as another."""

    def now(self) -> datetime:
        """Wall-clock time, aware, UTC, as the machine has it: it may jump."""
        return datetime.now(UTC)

    def unix_us(self) -> int:
        """Wall-clock time, Unix microseconds."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds since some fixed moment, usually the machine's start."""
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Wait on the running event loop; zero or less yields once."""
        await asyncio.sleep(delay_s)
