"""What a process that is gone has left in its folder."""

from collections.abc import Sequence

from batchwire.adapters.spool.folder import Folder
from batchwire.adapters.spool.segments import Segments


class Leftover:
    """
    Events ``sent`` to ``end`` of a folder that nobody writes any more.

    ``cut_bytes`` are behind the end: a torn frame, which was never promised to anybody.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._segments = Segments(folder.path)
        self.start = folder.sent
        end, self.cut_bytes = self._segments.end()
        self.end = max(end, self.start)
        self._sent = self.start

    @property
    def waiting(self) -> int:
        """How many events are not sent."""
        return self.end - self._sent

    def read(self, number: int, most: int) -> Sequence[bytes]:
        """Return at most so many frames from that number on; [] where there is none."""
        return self._segments.read(number, min(most, self.end - number))

    def first_from(self, number: int) -> int:
        """Return the first event from that number on that another place may hold."""
        begins = self._segments.next_first()
        return self.end if begins is None else max(number, begins)

    def forget(self, sent: int) -> None:
        """Let go of the first ``sent`` events."""
        self._sent = sent
        self._folder.sent = sent
        self._segments.drop(sent)

    def close(self) -> None:
        """Let go of the folder; it is removed where nothing in it waits."""
        if self.waiting:
            self._folder.release()
        else:
            self._folder.remove()

    def leave(self) -> None:
        """Let go of it in a forked child: it stays the parent's."""
        self._folder.release()
