"""The retry table's way back into the lanes: one event a batch, when it is due."""

from collections.abc import Callable

import msgspec

from batchwire.engine.patience import must_pass
from batchwire.errors import StoreError
from batchwire.events.arrivals import receive
from batchwire.events.lanes import Item
from batchwire.ports.clock import Clock
from batchwire.ports.inbox import Inbox, Parked

_LOOK_S = 0.5
_MOST = 100


class Parking:
    """Looks what is due, ``most`` at once; ``is_closed`` ends that."""

    def __init__(self, inbox: Inbox, clock: Clock, consumer: str, most: int) -> None:
        self._inbox = inbox
        self._clock = clock
        self._consumer = consumer
        self.most = min(most, _MOST)
        self._under_way: set[int] = set()
        self._left: set[int] = set()  # while a look is taken: it may not know it yet
        self.is_closed = False

    def left(self, parked_id: int) -> None:
        """Note that an event has left its lane."""
        self._under_way.discard(parked_id)
        self._left.add(parked_id)

    async def run(self, push: Callable[[Item], None]) -> None:
        """
        Look until cancelled; a database that is away is waited for.

        Raises:
            StoreError: the database cannot be used at all.

        """
        while True:
            await self._clock.sleep(_LOOK_S)
            self._left.clear()
            for parked in await self._due():
                if parked.parked_id not in self._under_way | self._left:
                    self._under_way.add(parked.parked_id)
                    push(_item(parked, self._clock.monotonic()))

    async def _due(self) -> list[Parked]:
        if self.is_closed:
            return []
        try:
            return await self._inbox.due(self._consumer, self.most)
        except StoreError as error:
            must_pass(error)
            return []


def _item(parked: Parked, now: float) -> Item:
    read = receive(parked.record)
    told = msgspec.structs.replace(
        read, event_id=parked.event_id, batch_id=parked.batch_id
    )
    return Item(
        told,
        f"parked:{parked.batch_id}".encode(),
        attempts=parked.attempts,
        parked_id=parked.parked_id,
        first_at_s=parked.first_at.timestamp(),
        received_at=now,
    )
