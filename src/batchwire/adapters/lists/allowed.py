"""``AllowedLists``: opens what ``recipients_ref`` names, under the allowed URLs only."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from batchwire.errors import UnreadableList

_PIECE_BYTES = 256 * 1024


class AllowedLists:
    """
    Opens lists by URL. Implements ``ports.recipient_lists.RecipientLists``.

    ``allowed`` are the beginnings of the URLs that may be opened; none means none.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = tuple(allowed)

    async def open(self, reference: str) -> AsyncIterator[bytes]:
        """See the port."""
        if not self._is_allowed(reference):
            problem = "may not be read by a request"
            remedy = "Name it in batch_events.lists, or upload the list"
            raise UnreadableList(problem, remedy=remedy, source=reference)
        path = Path(unquote(urlsplit(reference).path))
        try:
            with await asyncio.to_thread(path.open, "rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                    yield piece
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            remedy = "Check that it is there and readable"
            raise UnreadableList(problem, remedy=remedy, source=reference) from error

    def _is_allowed(self, reference: str) -> bool:
        path = unquote(urlsplit(reference).path)
        return ".." not in Path(path).parts and reference.startswith(self._allowed)
