"""
The segments of one folder: files named by the number of their first event.

Events of a folder are numbered from 0 without gap. A segment is written by one process,
deleted when all in it is sent, and never changed in between.
"""

import os
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from batchwire.adapters.spool.frame import size_at, split

SUFFIX = ".log"
_PAGE = 256 * 1024  # bytes read at once, more where one frame is larger


class Segments:
    """
    Reads frames by their number; keeps its place, so that reading on costs one read.

    ``firsts``: the number of the first event of each segment, ascending.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names = folder.glob(f"*{SUFFIX}")
        self.firsts = sorted(int(path.stem) for path in names)
        self._number, self._segment, self._offset = -1, -1, 0

    def path(self, first: int) -> Path:
        """Name the segment whose first event has that number."""
        return self._folder / f"{first:019}{SUFFIX}"

    def end(self) -> tuple[int, int]:
        """Count the last segment: the number after its last frame, the bytes behind."""
        if not self.firsts:
            return 0, 0
        last = self.firsts[-1]
        self._number, self._segment, self._offset = last, last, 0
        while self._page(most=1_000_000):
            pass
        return self._number, self.path(last).stat().st_size - self._offset

    def read(self, number: int, most: int) -> Sequence[bytes]:
        """
        Return at most so many frames from that number on; [] where there is none yet.

        They are of one segment: the next call goes on in the next one.
        """
        if number != self._number:
            self._seek(number)
        frames = self._page(most)
        if not frames and self.next_first() == number:
            self._seek(number)
            frames = self._page(most)
        return frames

    def next_first(self) -> int | None:
        """Return the number with which the segment after this one begins."""
        place = bisect_right(self.firsts, self._segment)
        return self.firsts[place] if place < len(self.firsts) else None

    def begun(self, first: int) -> Path:
        """Name a new last segment, to be written from now on."""
        if not self.firsts or self.firsts[-1] != first:
            self.firsts.append(first)
        return self.path(first)

    def drop(self, number: int) -> int:
        """Delete the segments that hold nothing from that number on; returns bytes."""
        freed = 0
        while len(self.firsts) > 1 and self.firsts[1] <= number:
            path = self.path(self.firsts.pop(0))
            with suppress(FileNotFoundError):
                freed += path.stat().st_size
                path.unlink()
        return freed

    def _seek(self, number: int) -> None:
        """Find the segment of an event, and go through it up to the event."""
        place = bisect_right(self.firsts, number) - 1
        if place < 0:
            self._number, self._segment = -1, -1
            return
        first = self.firsts[place]
        self._number, self._segment, self._offset = first, first, 0
        while self._number < number and self._page(number - self._number):
            pass

    def _page(self, most: int) -> list[bytes]:
        """Read on in this segment."""
        if self._segment < 0:
            return []
        data = self._bytes(_PAGE)
        if size_at(data, 0) > len(data):
            data = self._bytes(size_at(data, 0))
        frames = [frame for frame, _ in zip(split(data), range(most), strict=False)]
        self._number += len(frames)
        self._offset += sum(map(len, frames))
        return frames

    def _bytes(self, size: int) -> bytes:
        try:
            with self.path(self._segment).open("rb", buffering=0) as file:
                return os.pread(file.fileno(), size, self._offset)
        except FileNotFoundError:  # somebody has deleted it: its events are lost
            return b""
