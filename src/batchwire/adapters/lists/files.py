"""Lists in files: the file itself must lie in the folder, wherever links point."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from batchwire.adapters.lists.places import Place
from batchwire.errors import UnreadableList

_PIECE_BYTES = 256 * 1024


async def read(place: Place) -> AsyncIterator[bytes]:
    """
    Yield the bytes of a file.

    Raises:
        UnreadableList: it is not there, is no file, or lies outside of the folder.

    """
    try:
        with await asyncio.to_thread(_open, place) as file:
            while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                yield piece
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        remedy = "Check that it is there and readable"
        raise UnreadableList(problem, remedy=remedy, source=place.url) from error


def _open(place: Place) -> BinaryIO:
    real = Path(place.path).resolve(strict=True)
    if not real.is_relative_to(Path(place.root).resolve()):
        problem = "is a link to somewhere that may not be read by a request"
        remedy = "Put the file itself into the folder"
        raise UnreadableList(problem, remedy=remedy, source=place.url)
    # A link that somebody puts there now is not followed; a pipe would wait for ever.
    found = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise UnreadableList("is no file", remedy="Name a file", source=place.url)
    return os.fdopen(found, "rb")
