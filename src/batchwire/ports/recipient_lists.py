"""The door to lists that a request only names (``recipients_ref``, a claim check)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final, Protocol

UPLOADED = "list:"  # scheme of the reference to an uploaded list
UPLOAD_PREFIX = "upload-"  # of its id
KEPT_UNUSED: Final = timedelta(hours=24)  # a list that does not grow and has no batch


class RecipientLists(Protocol):
    """Opens lists by reference."""

    def open(self, reference: str) -> AsyncIterator[bytes]:
        """
        Yield the bytes of a list, as they come.

        ``reference`` is the id of an uploaded list, or a URL that the settings allow.

        Raises:
            UnreadableList: there is none, or it may not be read; says what to do.
            ListUnavailable: not now; it may be there later.

        """
        ...
