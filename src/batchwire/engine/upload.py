"""
Upload: a list is stored first, and a request that names it makes the batch later.

It is kept as it came, so that the request reads what was uploaded; it is checked on its
way in as intake does, so that a bad list is refused to who uploads it. The reference ends
as the name of a JSON Lines file does, by which the request knows it again.
"""

from collections.abc import AsyncIterator
from uuid import uuid4

import msgspec
import structlog
import zstandard

from batchwire.domain.list_head import JSON_SUFFIXES
from batchwire.engine.intake import BLOCK_BYTES, Reading
from batchwire.ports.recipient_lists import UPLOAD_PREFIX, UPLOADED
from batchwire.ports.store import Store

log = structlog.get_logger()


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """A stored list: ``reference`` is its ``recipients_ref``."""

    reference: str
    records: int
    columns: tuple[str, ...]


class Upload:
    """Stores lists for requests to come. Several may run at once on one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(
        self, data: AsyncIterator[bytes], source: str = "the list"
    ) -> Uploaded:
        """
        Check and store a list; a list that breaks off leaves nothing behind.

        One that no request comes to use is removed after 24 h.

        Raises:
            UnreadableList: the list cannot be read; says where.

        """
        suffix = next(filter(source.endswith, JSON_SUFFIXES), "")
        list_id = f"{UPLOAD_PREFIX}{uuid4().hex}{suffix}"
        reading = Reading(list_id, source)
        is_kept = False
        try:
            await self._store_blocks(reading, data)
            is_kept = True
        finally:
            if not is_kept:
                await self._store.discard_list(list_id)
        columns = reading.spec.columns
        log.info("list_uploaded", list_id=list_id, records=reading.records)
        reference = f"{UPLOADED}{list_id}"
        return Uploaded(reference=reference, records=reading.records, columns=columns)

    async def _store_blocks(self, reading: Reading, data: AsyncIterator[bytes]) -> None:
        number, buffer = 0, b""
        async for piece in data:
            reading.feed(piece)
            buffer += piece
            while len(buffer) >= BLOCK_BYTES:
                await self._add(reading, number, buffer[:BLOCK_BYTES])
                number, buffer = number + 1, buffer[BLOCK_BYTES:]
        reading.finish()
        if buffer:
            await self._add(reading, number, buffer)

    async def _add(self, reading: Reading, number: int, block: bytes) -> None:
        packed = zstandard.compress(block, 1)
        await self._store.add_list_blocks(reading.list_id, number, [packed])
