"""The segment that is being written."""

import errno
import os
from pathlib import Path


class Writer:
    """Appends whole frames to one file, or nothing of them."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self.size_bytes = 0

    def append(self, frame: bytes) -> None:
        """
        Write a frame in one call: it is in the page cache when this returns.

        Raises:
            OSError: it was not written; a part of it may be the segment's torn end, so
                nothing may be appended to this segment any more.

        """
        written = os.write(self._fd, frame)
        if written < len(frame):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size_bytes += written

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
