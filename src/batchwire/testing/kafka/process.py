"""A process that lives no longer than those that use it, and its log file."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, Signals
from typing import IO

from batchwire.testing.kafka import keeper

STOP_TIMEOUT_S = 30.0


class KeptProcess:
    """A command under the eyes of ``keeper``; ``users`` is the file with the locks."""

    def __init__(self, command: Sequence[str], users: Path, log: Path) -> None:
        self._users = holding(users)
        watched = [sys.executable, "-I", keeper.__file__, str(users), *command]
        with log.open("wb") as output:
            self._keeper = subprocess.Popen(  # noqa: S603 - our own command
                watched,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                # Ctrl-C ends those that use it, and they end it.
                start_new_session=True,
            )
        assert self._keeper.stdout is not None  # noqa: S101 - for mypy: it is a pipe
        with self._keeper.stdout as answer:
            self.pid = int(answer.readline())

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._keeper.poll() is None

    def send(self, number: Signals) -> None:
        """Send a signal; nothing where it has ended."""
        if self.is_running:
            # The keeper ends a moment after it.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def ended(self, number: Signals) -> None:
        """Send a signal that ends it, and wait for the end; SIGKILL if it hesitates."""
        self.send(number)
        try:
            self._keeper.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.send(SIGKILL)
            self._keeper.wait(STOP_TIMEOUT_S)
        self._users.close()

    def left(self) -> None:
        """Stop using it; wait until every other user has left too, which ends it."""
        self._users.close()
        self._keeper.wait()


def holding(users: Path) -> IO[bytes]:
    """Become a user, until the file is closed or this process ends."""
    file = users.open("ab")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file
