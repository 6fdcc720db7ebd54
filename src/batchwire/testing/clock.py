"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

# Turns of the event loop that a woken task gets before time goes on: enough for a task
# that hands over to a task that hands over. Work on threads or sockets takes no turns:
# a test waits for that by itself.
_TURNS = 20


class ManualClock:
    """
    Implements ``ports.clock.Clock`` for one event loop; only the test moves time.

    Not for threads.
    """

    def __init__(self, at: datetime = datetime(2030, 1, 1, 12, tzinfo=UTC)) -> None:
        self._wall = at.astimezone(UTC)
        self._monotonic_s = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Wall-clock time, aware, UTC."""
        return self._wall

    def unix_us(self) -> int:
        """Wall-clock time, Unix microseconds."""
        return int(self._wall.timestamp() * 1_000_000)

    def monotonic(self) -> float:
        """Seconds advanced since this clock was made."""
        return self._monotonic_s

    async def sleep(self, delay_s: float) -> None:
        """Wait until ``advance`` has passed the moment; zero or less yields once."""
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due_s = self._monotonic_s + delay_s
        heapq.heappush(self._sleepers, (due_s, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """
        Move both clocks forward, stopping wherever somebody wakes.

        Sleepers wake in the order of their moments, equal moments in the order in
        which they lay down. Each sees the time it asked for and runs before the next
        one wakes, so a loop that sleeps a second goes round sixty times in a minute.

        Raises:
            ValueError: ``seconds`` is negative; ``jump_wall`` is for that.
        """
        if seconds < 0:
            msg = f"a monotonic clock cannot go back by {-seconds} s"
            raise ValueError(msg)
        await self._let_others_run()  # who is about to sleep lies down first
        end_s = self._monotonic_s + seconds
        while self._sleepers and self._sleepers[0][0] <= end_s:
            due_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():  # done: its task was cancelled
                self._move_to(due_s)
                woken.set_result(None)
                await self._let_others_run()
        self._move_to(end_s)

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as NTP does; nobody wakes."""
        self._wall += timedelta(seconds=seconds)

    def _move_to(self, monotonic_s: float) -> None:
        self._wall += timedelta(seconds=monotonic_s - self._monotonic_s)
        self._monotonic_s = monotonic_s

    async def _let_others_run(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
