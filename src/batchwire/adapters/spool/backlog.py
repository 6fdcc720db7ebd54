"""Reading what is kept, in order, and remembering what of it is sent."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import structlog

from batchwire.adapters.spool.frame import unpack

log = structlog.get_logger()


class Source(Protocol):
    """What a backlog reads: the spool of this process, or what another one left."""

    @property
    def end(self) -> int:
        """The number after the last event."""
        ...

    def read(self, number: int, most: int) -> Sequence[bytes]:
        """Return at most so many frames from that number on."""
        ...

    def first_from(self, number: int) -> int:
        """Return the first event from that number on that may still be readable."""
        ...

    def forget(self, sent: int) -> None:
        """Let go of the first ``sent`` events."""
        ...


class Backlog:
    """
    The events of a source that are read and not sent, a page of them at most.

    ``lost`` counts those that a damaged or deleted file no longer has.
    """

    def __init__(self, source: Source, start: int) -> None:
        self._source = source
        self._next = start  # to be read
        self._read: dict[int, bytes] = {}
        self.lost = 0

    def oldest(self, most: int) -> list[tuple[int, bytes]]:
        """Return the oldest that are not sent, with their numbers."""
        while len(self._read) < most and self._next < self._source.end:
            self._read_on(most - len(self._read))
        if not self._read and self.lost:
            self._source.forget(self._next)
        return list(self._read.items())[:most]

    def sent(self, numbers: Iterable[int]) -> int:
        """Forget some; returns how many of them were waiting."""
        found = [self._read.pop(number, None) for number in numbers]
        self._source.forget(next(iter(self._read), self._next))
        return sum(one is not None for one in found)

    def _read_on(self, most: int) -> None:
        frames = self._source.read(self._next, most)
        if not frames:
            self._skip()
        for frame in frames:
            payload = unpack(frame)
            if payload is None:
                self._lose(self._next, 1)
            else:
                self._read[self._next] = payload
            self._next += 1

    def _skip(self) -> None:
        """Go on behind what cannot be read."""
        going_on = max(self._source.first_from(self._next), self._next + 1)
        self._lose(self._next, going_on - self._next)
        self._next = going_on

    def _lose(self, number: int, count: int) -> None:
        self.lost += count
        log.error(
            "Failed to publish", error_code="spool_damaged", number=number, count=count
        )
