"""Offsets: commit what is finished, not what is seen."""

from collections import deque


class Tracker:
    """
    What was received of one assignment of one partition, and what is finished.

    The position to read next is the lowest offset that is not finished.
    """

    def __init__(self) -> None:
        self._open: deque[int] = deque()  # ascending
        self._finished: set[int] = set()

    def received(self, offset: int) -> None:
        """Note an offset; they come ascending, with gaps."""
        self._open.append(offset)

    def finished(self, offset: int) -> int | None:
        """Note that one is finished; the new position, None where it did not move."""
        self._finished.add(offset)
        position = None
        while self._open and self._open[0] in self._finished:
            done = self._open.popleft()
            self._finished.discard(done)
            position = done + 1
        return position
