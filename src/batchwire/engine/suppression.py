"""
Suppression: to the numbers of a list nobody submits any more, in whatever batch.

An engine that works on this database heeds it within a second: only what is in flight by
then may still arrive.
"""

from collections.abc import AsyncIterator, Sequence

import msgspec
import structlog

from batchwire.domain import recipient, recipient_list
from batchwire.engine.intake import Reading
from batchwire.ports.store import Store

_SHOWN = 20

log = structlog.get_logger()


class Suppressed(msgspec.Struct, kw_only=True):
    """
    What became of the numbers: ``added`` are suppressed now, ``known`` were before.

    ``invalid`` are no numbers; ``examples`` has the first of them, each with its flaw.
    """

    added: int = 0
    known: int = 0
    invalid: int = 0
    examples: dict[str, str] = {}


class Suppression:
    """
    Suppresses numbers for one reason; to do it again is harmless.

    ``default_region`` is for national numbers, as in a batch; empty where there is none.
    """

    def __init__(self, store: Store, reason: str, default_region: str = "") -> None:
        self._store = store
        self._reason = reason
        self._region = default_region or None
        self.done = Suppressed()

    async def add(self, numbers: Sequence[str]) -> None:
        """
        Suppress numbers in any spelling.

        Raises:
            MalformedMessage: there is no such region.

        """
        found = recipient.normalise(numbers, self._region)
        valid = {n for i, n in enumerate(found.numbers) if i not in found.invalid}
        known = await self._store.suppressed(list(valid))
        await self._store.suppress(valid - known, self._reason)
        self.done.added += len(valid - known)
        self.done.known += len(known)
        self.done.invalid += len(found.invalid)
        for place, flaw in found.invalid.items():
            if len(self.done.examples) == _SHOWN:
                break
            self.done.examples[found.numbers[place]] = flaw

    async def add_list(
        self, data: AsyncIterator[bytes], source: str, number_column: str = ""
    ) -> None:
        """
        Suppress the numbers of a list, as ``Intake`` reads one.

        Raises:
            UnreadableList: it cannot be read; says where. Numbers before that place may
                be suppressed.
            MalformedMessage: there is no such region.

        """
        reading = Reading("", source, number_column)
        async for piece in data:
            await self._add_blocks(reading, reading.feed(piece))
        await self._add_blocks(reading, reading.finish())
        log.info("numbers_suppressed", source=source, count=self.done.added)

    async def _add_blocks(self, reading: Reading, blocks: Sequence[bytes]) -> None:
        for block in blocks:
            text = block.decode()
            line = reading.line - text.count("\n")
            rows = recipient_list.read(text, reading.spec, (), line)
            await self.add(rows.numbers)
