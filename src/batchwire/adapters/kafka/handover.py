"""From the thread of a member to its listener on the loop, one thing after another."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, TimeoutError as TookTooLong

from batchwire.domain.record import Partition, Record
from batchwire.ports.bus import Listener


class Handover:
    """
    Calls the listener; holds back at most one batch while it is paused.

    ``is_taken`` says that the listener has all that was handed over: the thread waits
    for it before it hands over more, so the listener never has more than one batch
    beyond what it wanted.
    """

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        self.is_taken = threading.Event()
        self._listener = listener
        self._loop = loop
        self._held: Sequence[Record] = ()
        self._is_paused = False

    # Called by the thread.

    def hand_over(self, records: Sequence[Record]) -> None:
        """Give the listener a batch; ``is_taken`` is set when it has it."""
        self.is_taken.clear()
        self._loop.call_soon_threadsafe(self._received, records)

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Tell the listener; does not wait for it."""
        self._loop.call_soon_threadsafe(self._listener.assigned, partitions)

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Tell the listener; does not wait for it."""
        self._loop.call_soon_threadsafe(self._lost, partitions)

    def revoked(self, partitions: Sequence[Partition], budget_s: float) -> bool:
        """Let the listener finish; returns whether it did within its time."""
        asked = asyncio.run_coroutine_threadsafe(self._revoked(partitions), self._loop)
        try:
            asked.result(budget_s)
        except (TookTooLong, CancelledError):  # cancelled: the loop is ending
            asked.cancel()
            return False
        return True

    # Called on the loop.

    def pause(self) -> None:
        """Hold back what comes from now on."""
        self._is_paused = True

    def resume(self) -> None:
        """Hand on what was held back; soon, since a listener calls this itself."""
        self._is_paused = False
        self._loop.call_soon(self._release)

    def _release(self) -> None:
        if self._held and not self._is_paused:
            held, self._held = self._held, ()
            self._received(held)

    def _received(self, records: Sequence[Record]) -> None:
        if self._is_paused:
            self._held = records
            return
        try:
            self._listener.received(records)
        finally:
            self.is_taken.set()

    async def _revoked(self, partitions: Sequence[Partition]) -> None:
        self._forget(partitions)
        await self._listener.revoked(partitions)

    def _lost(self, partitions: Sequence[Partition]) -> None:
        self._forget(partitions)
        self._listener.lost(partitions)

    def _forget(self, partitions: Sequence[Partition]) -> None:
        if not self._held:  # what is still on its way here is not taken by that
            return
        gone = {(each.topic, each.number) for each in partitions}
        self._held = [each for each in self._held if _home(each) not in gone]
        if not self._held:
            self.is_taken.set()


def _home(record: Record) -> tuple[str, int]:
    assert record.place is not None  # noqa: S101 - for mypy: it was read from a topic
    return record.place.topic, record.place.partition
