"""``AllowedLists``: opens what ``recipients_ref`` names, where that is allowed."""

from collections.abc import AsyncIterator, Sequence

from batchwire.adapters.lists import files, web
from batchwire.adapters.lists.places import allowed_place
from batchwire.adapters.lists.web import WebLimits
from batchwire.domain.ledger import decompress
from batchwire.errors import UnreadableList
from batchwire.ports.recipient_lists import UPLOAD_PREFIX, UPLOADED
from batchwire.ports.store import Store


class AllowedLists:
    """
    Opens lists by reference. Implements ``ports.recipient_lists.RecipientLists``.

    ``allowed`` are the URLs of the folders that may be read, on disk and on the web;
    none means none. Uploaded lists lie in ``store``.
    """

    def __init__(
        self, allowed: Sequence[str], store: Store, limits: WebLimits | None = None
    ) -> None:
        self._allowed = tuple(allowed)
        self._store = store
        self._limits = limits or WebLimits()

    def open(self, reference: str) -> AsyncIterator[bytes]:
        """See the port."""
        if reference.startswith(UPLOADED):
            return self._uploaded(reference)
        place = allowed_place(reference, self._allowed)
        if place is None:
            problem = "may not be read by a request"
            remedy = "Name its folder in batch_events.lists, or upload the list"
            raise UnreadableList(problem, remedy=remedy, source=reference)
        return (
            files.read(place)
            if place.scheme == "file"
            else web.read(place, self._limits)
        )

    async def _uploaded(self, reference: str) -> AsyncIterator[bytes]:
        list_id = reference.removeprefix(UPLOADED)
        is_there = False
        if list_id.startswith(UPLOAD_PREFIX):  # a batch's own list is nobody else's
            async for block in self._store.list_blocks(list_id):
                is_there = True
                yield decompress(block)
        if not is_there:
            problem = "there is no such uploaded list (any more)"
            remedy = "Upload it again: `batchwire lists add`"
            raise UnreadableList(problem, remedy=remedy, source=reference)
