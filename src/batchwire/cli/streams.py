"""The three standard streams, made such that no work ends because of them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TextIO

from batchwire.errors import OutputError

_STREAMS = ("stdin", "stdout", "stderr")


class _Stream:
    """A stream that answers its failures in a way of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self._stream, name)


class Output(_Stream):
    """
    Standard output: that it cannot be written is no failure of another file.

    Both methods raise ``OutputError`` then; ``BrokenPipeError`` where nobody reads it.
    """

    def write(self, text: str) -> int:
        """Write."""
        with _told_apart():
            return self._stream.write(text)

    def flush(self) -> None:
        """Flush."""
        with _told_apart():
            self._stream.flush()


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(str(error.strerror)) from error


class Unfailing(_Stream):
    """A stream whose reader may go away, or whose disk may fill up: then it is silent."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        try:
            return self._stream.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Flush what can be written."""
        try:
            self._stream.flush()
        except OSError:
            return


def secure() -> None:
    """
    Open those that are closed to nowhere, and let standard error never raise.

    Standard output raises as ``Output`` does.

    A file or socket of ours on a descriptor below 3 would be taken for one of them.
    """
    for descriptor, name in enumerate(_STREAMS):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - its name
        if getattr(sys, name) is None:
            mode = "w" if descriptor else "r"
            stream = os.fdopen(descriptor, mode, encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # some encodings have not every character
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = Output(sys.stdout), Unfailing(sys.stderr)
