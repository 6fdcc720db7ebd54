"""
A service that kills itself at a point: ``event_child.py SETTINGS POINT``.

Production code knows nothing of it: the ports are wrapped here, in the test's process.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from batchwire.adapters.sql.event_doors import SqlInbox
from batchwire.bootstrap import events, opened
from batchwire.config import load
from batchwire.errors import BrokerError
from batchwire.ports.bus import Outgoing, Producer
from batchwire.ports.inbox import Applied, Arrival, Effect


def die() -> None:
    """End as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


class Inbox(SqlInbox):
    """Dies around the first commit."""

    async def apply(self, work: Sequence[tuple[Arrival, Effect]]) -> list[Applied]:
        """See the port."""
        if POINT == "before-commit":
            die()
        applied = await super().apply(work)
        if POINT == "after-commit":
            die()
        return applied


class Dying:
    """A producer that dies around its first page."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.open, self.close = producer.open, producer.close

    async def publish(self, records: Sequence[Outgoing]) -> list[BrokerError | None]:
        """See the port."""
        if POINT == "before-publish":
            die()
        errors = await self._producer.publish(records)
        if POINT == "after-publish":
            die()
        return errors


async def main() -> None:
    """Serve until the end comes."""
    async with opened(load(Path(sys.argv[1]), environ={})) as app:
        is_relay = POINT.endswith("publish")
        service = app.events.service(consumes=not is_relay, relays=is_relay)
        await service.start()
        await asyncio.sleep(60)


if __name__ == "__main__":
    POINT = sys.argv[2]
    make = events.Events._producer  # noqa: SLF001 - wrapped here, not there
    vars(events)["SqlInbox"] = Inbox
    setattr(events.Events, "_producer", lambda self: Dying(make(self)))  # noqa: B010
    asyncio.run(main())
