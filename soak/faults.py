"""What goes wrong, at random: processes killed or frozen, the database crashed."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

from soak.world import DEAD_AFTER_S, World

_PAUSE_S = (0.5, 4.0)  # from one fault to the next


class Faults:
    """Does harm until it is cancelled, then mends what can be mended."""

    def __init__(self, world: World, chance: Random) -> None:
        self.done: Counter[str] = Counter()
        self._world = world
        self._chance = chance
        self._frozen: set[int] = set()
        self._thawing: set[asyncio.Task[None]] = set()
        self._acts: dict[Callable[[], Awaitable[None]], int] = {
            self._kill: 5,
            self._freeze: 4,
            self._crash_database: 2,
        }

    async def run(self) -> None:
        """Do one thing after another."""
        while True:
            await asyncio.sleep(self._chance.uniform(*_PAUSE_S))
            if not self._world.workers():
                continue  # they are just being started
            acts, weights = list(self._acts), list(self._acts.values())
            await self._chance.choices(acts, weights)[0]()

    async def mend(self) -> None:
        """Let everybody go on."""
        for task in self._thawing:
            task.cancel()
        for pid in list(self._frozen):
            self._thaw(pid)

    async def _kill(self) -> None:
        name, pid = self._chance.choice(sorted(self._world.workers().items()))
        if self._tell(pid, signal.SIGKILL):
            self._frozen.discard(pid)
            self.done[f"SIGKILL {name.split('-')[0]}"] += 1

    async def _freeze(self) -> None:
        name, pid = self._chance.choice(sorted(self._world.workers().items()))
        delay_s = self._chance.uniform(0.5, 2 * DEAD_AFTER_S)
        if pid in self._frozen or not self._tell(pid, signal.SIGSTOP):
            return
        self._frozen.add(pid)
        is_long = "past its lease" if delay_s > DEAD_AFTER_S else "for a moment"
        self.done[f"SIGSTOP {name.split('-')[0]} {is_long}"] += 1
        self._thawing.add(asyncio.create_task(self._thaw_after(delay_s, pid)))

    async def _thaw_after(self, delay_s: float, pid: int) -> None:
        await asyncio.sleep(delay_s)
        self._thaw(pid)

    def _thaw(self, pid: int) -> None:
        self._frozen.discard(pid)
        self._tell(pid, signal.SIGCONT)

    async def _crash_database(self) -> None:
        away_s = self._chance.uniform(0.0, 3.0)
        crashed = asyncio.create_task(self._crash(away_s))
        await asyncio.shield(crashed)  # whoever cancels us needs it up again
        self.done["database crashed"] += 1

    async def _crash(self, away_s: float) -> None:
        await asyncio.to_thread(self._world.cluster.kill)
        await asyncio.sleep(away_s)
        await asyncio.to_thread(self._world.cluster.start)

    def _tell(self, pid: int, number: signal.Signals) -> bool:
        """Send a signal, if the process is still a child of our supervisor."""
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists():
            return False
        parent = int(stat.read_text().rpartition(")")[2].split()[1])
        if parent != self._world.parent.pid:
            return False
        os.kill(pid, number)
        return True
