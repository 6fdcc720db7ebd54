"""
A folder for each process, held by a lock that the kernel drops with the process.

::

    <spool>/1795520000000000000-4711/
        lock                        held (flock) by the process that writes here
        0000000000000000000.log     segments, by the number of their first event
        sent                        how many events are sent, in decimal digits

The name begins with the time of its making, so that sorting gives the order.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LOCK = "lock"
_SENT = "sent"
_UNFINISHED = ".new-"


class Folder:
    """A folder that this process holds; its files belong to nobody else."""

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        self._lock_fd = lock_fd
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._sent_fd = os.open(path / _SENT, flags, 0o600)
        if not os.fstat(self._sent_fd).st_size:
            with suppress(OSError):  # has its block before the disk is full of events
                self.sent = 0

    @classmethod
    def make(cls, spool: Path) -> "Folder":
        """
        Make one for this process. It is locked before others can see it.

        Raises:
            OSError: the directory cannot be written.

        """
        name = f"{time.time_ns():019}-{os.getpid()}"
        unseen, path = spool / f"{_UNFINISHED}{name}", spool / name
        unseen.mkdir(parents=True, mode=0o700)
        lock_fd = _locked(unseen / _LOCK, os.O_CREAT)
        if lock_fd is None:
            raise FileExistsError(unseen)
        unseen.rename(path)
        return cls(path, lock_fd)

    @classmethod
    def abandoned(cls, spool: Path) -> Iterator["Folder"]:
        """Take the folders whose processes are gone, the oldest first."""
        for path in sorted(spool.glob("[0-9]*-*")):
            lock_fd = _locked(path / _LOCK)
            if lock_fd is None:
                continue
            if not os.fstat(lock_fd).st_nlink:  # removed between our two looks
                os.close(lock_fd)
                continue
            yield cls(path, lock_fd)

    @property
    def sent(self) -> int:
        """How many of the folder's events are sent; what is unreadable counts as 0."""
        digits = os.pread(self._sent_fd, 32, 0).strip()
        return int(digits) if digits.isdigit() else 0

    @sent.setter
    def sent(self, count: int) -> None:
        os.pwrite(self._sent_fd, f"{count:019}\n".encode(), 0)

    def remove(self) -> None:
        """Delete it with everything in it, the lock last."""
        for path in self.path.iterdir():
            if path.name != _LOCK:
                path.unlink()
        (self.path / _LOCK).unlink()
        with suppress(OSError):  # somebody else's file is in it: without a lock it is
            self.path.rmdir()  # no folder of ours any more
        self.release()

    def release(self) -> None:
        """Let go of it; what is in it is for whoever comes."""
        os.close(self._sent_fd)
        os.close(self._lock_fd)


def _locked(path: Path, flags: int = 0) -> int | None:
    """Open and lock a file; None where it is gone, another user's, or held."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd
