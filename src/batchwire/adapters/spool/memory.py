"""What waits in memory while the disk cannot be written."""

from collections import deque
from itertools import islice


class Memory:
    """Frames in order, bounded by their bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._frames: deque[bytes] = deque()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def takes(self, frame: bytes) -> bool:
        """Keep it as the last one; False where it has no room."""
        if self._size_bytes + len(frame) > self._most_bytes:
            return False
        self._frames.append(frame)
        self._size_bytes += len(frame)
        return True

    def close(self) -> None:
        """Take no more."""
        self._most_bytes = 0

    def first(self) -> bytes:
        """Return the first one."""
        return self._frames[0]

    def forget_first(self) -> None:
        """Drop the first one."""
        self._size_bytes -= len(self._frames.popleft())

    def some(self, start: int, most: int) -> list[bytes]:
        """Return at most so many, from the one at ``start`` on."""
        return list(islice(self._frames, start, start + most))
