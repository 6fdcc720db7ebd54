"""Offsets: commit what is finished, not what is seen."""

from collections import deque


class Tracker:
    """
    What was received of one assignment of one partition, and what is finished.

    The position to read next is the lowest offset that is not finished.
    """

    def __init__(self) -> None:
        self._order: deque[tuple[int, int]] = deque()  # (offset, Unix ms), ascending
        self._open: set[int] = set()

    @property
    def unfinished(self) -> int:
        """How many were received and are not finished."""
        return len(self._open)

    @property
    def oldest_ms(self) -> int:
        """When the oldest unfinished record was appended, Unix ms; 0 where none is."""
        return self._order[0][1] if self._order else 0

    def received(self, offset: int, at_ms: int) -> None:
        """Note a record; offsets come ascending, with gaps."""
        self._order.append((offset, at_ms))
        self._open.add(offset)

    def finished(self, offset: int) -> int | None:
        """
        Note that one is finished; the new position, None where it did not move.

        One that was not received, or is finished already, changes nothing: it is of an
        earlier assignment.
        """
        self._open.discard(offset)
        position = None
        while self._order and self._order[0][0] not in self._open:
            position = self._order.popleft()[0] + 1
        return position
