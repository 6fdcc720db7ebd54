"""Offsets: commit what is finished, not what is seen."""

from collections import deque


class Tracker:
    """
    What was received of one assignment of one partition, and what is finished.

    The position to read next is the lowest offset that is not finished.
    """

    def __init__(self) -> None:
        self._open: deque[tuple[int, int]] = deque()  # (offset, Unix ms), ascending
        self._finished: set[int] = set()

    @property
    def unfinished(self) -> int:
        """How many were received and are not finished."""
        return len(self._open) - len(self._finished)

    @property
    def oldest_ms(self) -> int:
        """When the oldest unfinished record was appended, Unix ms; 0 where none is."""
        return self._open[0][1] if self._open else 0

    def received(self, offset: int, at_ms: int) -> None:
        """Note a record; offsets come ascending, with gaps."""
        self._open.append((offset, at_ms))

    def finished(self, offset: int) -> int | None:
        """Note that one is finished; the new position, None where it did not move."""
        self._finished.add(offset)
        position = None
        while self._open and self._open[0][0] in self._finished:
            done, _ = self._open.popleft()
            self._finished.discard(done)
            position = done + 1
        return position
