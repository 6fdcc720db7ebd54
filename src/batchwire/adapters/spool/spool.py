"""
What this process keeps: on disk, or in a little memory while the disk cannot be written.

``append`` is called by the host's threads, everything else by the thread that sends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import structlog

from batchwire.adapters.spool.folder import Folder
from batchwire.adapters.spool.frame import pack
from batchwire.adapters.spool.memory import Memory
from batchwire.adapters.spool.segments import Segments
from batchwire.adapters.spool.writer import Writer
from batchwire.errors import SpoolFull

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """
    Bounds of one process's spool, in bytes.

    ``disk_bytes``: of its files. ``memory_bytes``: of what waits in memory while the
    disk cannot be written. ``segment_bytes``: of one file, at most a quarter of
    ``disk_bytes``; what is sent is deleted file by file.
    """

    disk_bytes: int = 256 * 1024 * 1024
    memory_bytes: int = 1024 * 1024
    segment_bytes: int = 4 * 1024 * 1024


class Spool:
    """
    The events of this process, numbered from 0; ``end`` is the number of the next one.

    The lock is an RLock: a signal handler of the host may call us amid a call of the
    host. Then the handler's event comes first or second, and both are kept.
    """

    def __init__(self, directory: Path, limits: SpoolLimits) -> None:
        self._directory = directory
        self._limits = limits
        self._segment_bytes = min(limits.segment_bytes, limits.disk_bytes // 4)
        self._lock = RLock()
        self._folder: Folder | None = None
        self._segments: Segments | None = None
        self._writer: Writer | None = None
        self._memory = Memory(limits.memory_bytes)
        self._disk_bytes = 0
        self._sent = 0
        self._problem = ""
        self.end = 0
        self.settle()

    @property
    def waiting(self) -> int:
        """How many events are not sent."""
        return self.end - self._sent

    @property
    def problem(self) -> str:
        """Why the disk cannot be written, or empty: a killed process loses nothing."""
        return self._problem

    def append(self, payload: bytes) -> None:
        """
        Keep an event: it outlives this process from now on, or waits in memory.

        Waits for nobody but the kernel's page cache.

        Raises:
            SpoolFull: neither disk nor memory may take it; it is not kept.

        """
        frame = pack(payload)
        with self._lock:
            if not self._is_written(frame) and not self._memory.takes(frame):
                raise SpoolFull(f"no room in memory, and no disk: {self._problem}")
            self.end += 1

    def settle(self) -> None:
        """Open the files and bring to the disk what waits in memory, where it can be."""
        if self._writer is not None:
            return
        with self._lock:
            try:
                self._begin_segment(self._on_disk)
                self._write_memory()
            except OSError as error:
                self._lose_disk(error)
            else:
                self._regain_disk()

    def read(self, number: int, most: int) -> Sequence[bytes]:
        """Return at most so many frames from that number on; [] where there is none."""
        with self._lock:
            on_disk = self._on_disk
            if number >= on_disk:
                return self._memory.some(number - on_disk, most)
        if self._segments is None:
            return []
        return self._segments.read(number, min(most, on_disk - number))

    def first_from(self, number: int) -> int:
        """Return the first event from that number on that another place may hold."""
        on_disk = self._on_disk
        begins = self._segments.next_first() if self._segments else None
        return on_disk if begins is None else min(max(number, begins), on_disk)

    def forget(self, sent: int) -> None:
        """Let go of the first ``sent`` events. The host does not wait for the files."""
        with self._lock:
            self._sent = sent
            while len(self._memory) and self._on_disk < sent:
                self._memory.forget_first()
        if self._folder is not None and self._segments is not None:
            self._folder.sent = sent
            freed = self._segments.drop(sent)
            with self._lock:
                self._disk_bytes -= freed

    def close(self) -> None:
        """Let go of the folder; it is removed where nothing in it waits."""
        with self._lock:
            self._close_writer()
            self._problem = "the spool is closed"
            self._memory.close()
            folder, self._folder = self._folder, None
            if folder is not None and not self.waiting:
                folder.remove()
            elif folder is not None:
                folder.release()

    def leave(self) -> None:
        """Let go of it in a forked child, without a lock: it stays the parent's."""
        self._close_writer()
        if self._folder is not None:
            self._folder.release()

    @property
    def _on_disk(self) -> int:
        """The number after the last event that is on disk, or was."""
        return self.end - len(self._memory)

    def _is_written(self, frame: bytes) -> bool:
        """Write it to the disk; False where the disk cannot be written."""
        if self._writer is None:
            return False
        if self._disk_bytes + len(frame) > self._limits.disk_bytes:
            raise SpoolFull(f"the spool is at its {self._limits.disk_bytes} bytes")
        try:
            if self._writer.size_bytes >= self._segment_bytes:
                self._begin_segment(self.end)
            self._writer.append(frame)
        except OSError as error:
            self._lose_disk(error)
            return False
        self._disk_bytes += len(frame)
        return True

    def _begin_segment(self, first: int) -> None:
        if self._folder is None:
            self._folder = Folder.make(self._directory)
        if self._segments is None:
            self._segments = Segments(self._folder.path)
        self._close_writer()
        self._writer = Writer(self._segments.begun(first))

    def _write_memory(self) -> None:
        while len(self._memory) and self._writer is not None:
            frame = self._memory.first()
            self._writer.append(frame)
            self._disk_bytes += len(frame)
            self._memory.forget_first()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _lose_disk(self, error: OSError) -> None:
        """Go on in memory; said when it begins, and when the reason is another."""
        self._close_writer()
        problem = f"{error.strerror}: {self._directory}"
        if problem != self._problem:
            self._problem = problem
            room = f"{self._limits.memory_bytes} bytes of events wait in memory"
            log.error("spool_unwritable", error=problem, then=room)

    def _regain_disk(self) -> None:
        if self._problem:
            self._problem = ""
            log.info("spool_writable", directory=str(self._directory))
