"""
Preparation: from the stored list to chunks that can be sent, and the seal.

Chunk by chunk: read, normalise, fill, count parts, pack, store. After a crash it goes
on behind the last chunk that is stored. At the end duplicates are marked over the whole
list, some chunks at a time, and then the batch is sealed: its recipients no longer change.
Who is marked stays so: an earlier recipient of the number is there, and is never marked.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence

import structlog

from batchwire.domain import operations, recipient_list
from batchwire.domain.batch import Batch
from batchwire.domain.chunk import Prepared, Recipe
from batchwire.domain.counts import count
from batchwire.domain.duplicates import Confirmation, Suspects
from batchwire.domain.events import Fact
from batchwire.domain.ledger import (
    decompress,
    segment,
    unpack_numbers,
    unpack_outline,
)
from batchwire.domain.lifecycle import Status, Trigger
from batchwire.domain.outcome import Outcome
from batchwire.domain.recipient_list import Rows
from batchwire.errors import MessageError, StoreDamaged
from batchwire.ports.clock import Clock
from batchwire.ports.store import Chunk, NewChunk, Rewrite, Store

_CHUNKS_A_COMMIT = 16
_MARKED_A_COMMIT = 256
_MOST_SUSPECTS = 200_000
_PROGRESS_S = 1.0

log = structlog.get_logger()


class Preparation:
    """Prepares one batch."""

    def __init__(self, store: Store, clock: Clock, batch: Batch, owner: str) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._spec = batch.spec
        self._batch_id = batch.spec.batch_id
        self._recipe = Recipe.of(batch.spec)
        self._suspects = Suspects(batch.spec.list.records, _MOST_SUSPECTS)
        self._payloads = hashlib.sha256()
        self._progress_at = clock.monotonic()

    async def run(self) -> None:
        """
        Prepare to the seal, or until somebody pauses, aborts or the list is unusable.

        Does nothing where another worker prepares the batch. Whoever is cancelled goes
        on later, or another does.

        Raises:
            StoreError: nothing is lost; the scheduler starts it again.

        """
        try:
            if not await self._store.begin_preparing(self._batch_id, self._owner):
                return
            batch = await self._enter(Trigger.PREPARATION_STARTED)
            if batch.state.status is Status.PREPARATION_RUNNING:
                await self._prepare()
        finally:
            await self._store.cease_preparing(self._batch_id, self._owner)

    async def _prepare(self) -> None:
        started = self._clock.monotonic()
        try:
            if not (await self._chunks() and await self._duplicates()):
                return
        except MessageError as error:
            await self._enter(Trigger.PREPARATION_FAILED, reason=str(error))
            return
        duration_s = round(self._clock.monotonic() - started, 3)
        payloads_hash = self._payloads.hexdigest()
        await self._enter(
            Trigger.SEALED, payloads_hash=payloads_hash, duration_s=duration_s
        )
        await self._store.discard_list(self._spec.list.list_id)

    async def _chunks(self) -> bool:
        """Prepare what is not stored yet; false where the batch stopped running."""
        number = await self._remember()
        skip = number * self._spec.chunk_size
        writing: asyncio.Task[bool] | None = None
        ready: list[NewChunk] = []
        try:
            async for rows in self._rows(skip):
                chunk = self._recipe.prepare(rows, self._clock.unix_us() // 1000)
                self._look(chunk)
                self._payloads.update(chunk.payload)
                ready.append(_new(number, chunk))
                number += 1
                if len(ready) == _CHUNKS_A_COMMIT:
                    if writing is not None and not await writing:
                        return False
                    writing = asyncio.create_task(self._commit(ready))
                    ready = []
                await asyncio.sleep(0)
            if writing is not None and not await writing:
                return False
            return await self._commit(ready)
        finally:
            if writing is not None:
                await asyncio.wait([writing])

    async def _remember(self) -> int:
        """Look again at what was prepared before a crash; returns how many chunks."""
        number = 0
        async for chunk in self._store.chunks(self._batch_id):
            self._payloads.update(chunk.payload)
            flawed = chunk.state.recorded
            numbers = unpack_numbers(chunk.payload)
            self._suspects.look(
                [n for n, outcome in zip(numbers, flawed, strict=True) if not outcome]
            )
            number += 1
        return number

    def _look(self, chunk: Prepared) -> None:
        if chunk.segment is None:
            self._suspects.look(chunk.numbers)
        else:
            flawed = set(chunk.segment.places())
            self._suspects.look(
                [n for i, n in enumerate(chunk.numbers) if i not in flawed]
            )

    async def _commit(self, ready: Sequence[NewChunk | Rewrite]) -> bool:
        """Store chunks; false where the batch stopped running."""
        facts = self._progress()
        status = await self._store.write_prepared(
            self._batch_id, self._owner, ready, facts
        )
        return status is Status.PREPARATION_RUNNING

    def _progress(self) -> tuple[Fact, ...]:
        if self._clock.monotonic() - self._progress_at < _PROGRESS_S:
            return ()
        self._progress_at = self._clock.monotonic()
        return (operations.progress(),)

    async def _rows(self, skip: int) -> AsyncIterator[Rows]:
        """Yield the list's rows in chunks, from the row ``skip`` on."""
        names = self._recipe.template.names
        size = self._spec.chunk_size
        rest = Rows([], [[] for _ in names], {})
        line = self._spec.list.first_line
        async for text in self._pieces():
            rows = recipient_list.read(text, self._spec.list, names, line)
            line += text.count("\n")
            if skip >= len(rows.numbers):
                skip -= len(rows.numbers)
                continue
            rest = recipient_list.joined(rest, recipient_list.part(rows, skip))
            skip = 0
            start = 0
            while len(rest.numbers) - start >= size:
                yield recipient_list.part(rest, start, start + size)
                start += size
            rest = recipient_list.part(rest, start)
        if rest.numbers:
            yield rest

    async def _pieces(self) -> AsyncIterator[str]:
        blocks, read = self._spec.list.blocks, 0
        async for block in self._store.list_blocks(self._spec.list.list_id):
            read += 1
            text = decompress(block).decode()
            for piece in recipient_list.pieces(text, self._spec.list):
                yield piece
        if read < blocks:
            problem = f"{read} of {blocks} blocks of the list are left: send it again"
            raise StoreDamaged(problem)

    async def _duplicates(self) -> bool:
        """Mark who stands twice; false where the batch stopped running."""
        for look in self._suspects.confirmations():
            if not await self._confirm(look):
                return False
        return True

    async def _confirm(self, look: Confirmation) -> bool:
        """Take one look at all chunks, and store what it finds in portions."""
        found: list[Rewrite] = []
        at_ms = self._clock.unix_us() // 1000
        async for chunk in self._store.chunks(self._batch_id):
            numbers, parts = unpack_outline(chunk.payload)
            twice = look.duplicates(numbers, chunk.state.recorded)
            if twice:
                found.append(_marked(chunk, parts, twice, at_ms))
            if len(found) == _MARKED_A_COMMIT:
                if not await self._commit(found):
                    return False
                found = []
        return await self._commit(found)

    async def _enter(
        self,
        trigger: Trigger,
        *,
        reason: str = "",
        payloads_hash: str = "",
        **told: object,
    ) -> Batch:
        batch = await self._store.change(
            self._batch_id,
            lambda b: operations.enter(
                b,
                trigger,
                self._clock.now(),
                reason=reason,
                payloads_hash=payloads_hash,
            ),
        )
        log.info(
            "batch_status_update",
            batch_id=self._batch_id,
            status=batch.state.status,
            count=sum(batch.counts),
            reason=reason,
            **told,
        )
        return batch


def _new(number: int, chunk: Prepared) -> NewChunk:
    return NewChunk(
        number=number,
        payload=chunk.payload,
        segment=chunk.segment,
        counts=chunk.counts,
        parts=chunk.parts,
    )


def _marked(chunk: Chunk, parts: bytes, twice: list[int], at_ms: int) -> Rewrite:
    outcomes = bytearray(chunk.state.recorded)
    for place in twice:
        outcomes[place] = Outcome.DUPLICATE
    mark = segment(at_ms, 0, [(p, Outcome.DUPLICATE, 0) for p in twice])
    return Rewrite(
        number=chunk.number,
        segments=(mark,),
        counts=count(outcomes),
        parts_removed=sum(parts[p] for p in twice),
    )
