"""What people do meanwhile: batches come, and random clients operate them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

from batchwire.domain.batch import Batch, OnUncertain
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.operations import Command
from batchwire.domain.rationing import Rate, of_provider
from batchwire.engine.intake import Submission
from batchwire.errors import BatchError, StoreError
from soak.world import KEYED, PLAIN, World

_ACTIVE = tuple(status for status in Status if not status.has_ended)
_MOST_ACTIVE = 6
_SHARE_OF_RATES = 0.02
_OPERATIONS = {
    Operation.PAUSE: 6,
    Operation.RESUME: 8,
    Operation.ABORT: 1,
    Operation.RETRY: 2,
}


class Clients:
    """Makes batches and operates them; ``sizes`` says what was acknowledged."""

    def __init__(self, world: World, chance: Random) -> None:
        self.done: Counter[str] = Counter()
        self.sizes: dict[str, int] = {}
        self._store = world.app.store
        self._intake = world.app.intake
        self._control = world.app.control
        self._chance = chance
        self._next_number = 0
        self._asked = 0

    async def run(self) -> None:
        """Go on until cancelled; a database that is away is tried again."""
        while True:
            await asyncio.sleep(self._chance.uniform(0.05, 0.6))
            act = self._chance.choices([self._take, self._operate], [1, 2])[0]
            await self._tried(act)
            if self._chance.random() < _SHARE_OF_RATES:
                await self._tried(self._set_rate)

    async def resume_all(self) -> None:
        """Let every paused batch go on."""
        for batch in await self._store.batches(_ACTIVE):
            if batch.state.status in {
                Status.PREPARATION_PAUSED,
                Status.DELIVERY_PAUSED,
            }:
                await self._tell(batch, Operation.RESUME)

    async def _tried(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except BatchError:
            self.done["refused"] += 1
        except StoreError as error:
            self.done["database away"] += 1
            if not error.retryable:
                raise

    async def _take(self) -> None:
        if len(await self._store.batches(_ACTIVE)) >= _MOST_ACTIVE:
            return
        batch_id, size = f"b{len(self.sizes)}", self._chance.randint(200, 4000)
        policy = self._chance.choice(list(OnUncertain))
        first, self._next_number = self._next_number, self._next_number + size
        asked = Submission(
            batch_id=batch_id,
            request_id=batch_id,
            template="Hello",
            provider=KEYED if policy is OnUncertain.RESEND else PLAIN,
            on_uncertain=policy,
            priority=self._chance.randint(1, 10),
            rate_parts_per_s=self._chance.choice([0, 0, 100]),
            chunk_size=self._chance.choice([50, 200, 1000]),
            timeout_s=3600,
        )
        self.sizes[batch_id] = size
        for _ in range(100):
            try:
                await self._intake.take(asked, _list(first, size))
            except StoreError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(0.2)
            else:
                self.done["batches"] += 1
                self.done["recipients"] += size
                return
        raise RuntimeError("the database did not come back for a batch")

    async def _operate(self) -> None:
        batches = await self._store.batches(limit=20)
        if batches:
            kinds, weights = list(_OPERATIONS), list(_OPERATIONS.values())
            operation = self._chance.choices(kinds, weights)[0]
            await self._tell(self._chance.choice(batches), operation)

    async def _tell(self, batch: Batch, operation: Operation) -> None:
        self._asked += 1
        command = Command(
            batch_id=batch.spec.batch_id,
            operation=operation,
            request_id=f"operation-{self._asked}",
            operator_id="soak",
        )
        await self._control.operate(command)
        self.done[operation] += 1

    async def _set_rate(self) -> None:
        rate = Rate(parts_per_s=self._chance.choice([100.0, 300.0, 600.0]))
        await self._store.set_rate(of_provider(KEYED), rate)
        self.done["set-rate"] += 1


def numbers(first: int, size: int) -> list[str]:
    """Make the recipients of a batch; no two batches share one."""
    return [f"+44781{number:07d}" for number in range(first, first + size)]


async def _list(first: int, size: int) -> AsyncIterator[bytes]:
    yield "\n".join(numbers(first, size)).encode()
