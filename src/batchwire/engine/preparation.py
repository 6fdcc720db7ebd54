"""
Preparation: from the stored list to chunks that can be sent, and the seal.

Chunk by chunk: read, normalise, fill, count parts, pack. Of some chunks at once is then
found out who stood in the list before, and they are stored; meanwhile the next ones are
prepared. After a crash it goes on behind the last chunk that is stored. At the end the batch
is sealed: its recipients no longer change.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Sequence

import structlog

from batchwire.domain import operations, recipient_list
from batchwire.domain.batch import Batch, BatchSpec
from batchwire.domain.chunk import Prepared, Recipe
from batchwire.domain.events import Fact
from batchwire.domain.ledger import decompress, unpack_numbers
from batchwire.domain.lifecycle import Status, Trigger
from batchwire.domain.recipient_list import Rows
from batchwire.errors import MessageError, StoreDamaged
from batchwire.ports.clock import Clock
from batchwire.ports.repeats import Repeats
from batchwire.ports.store import NewChunk, Store

_CHUNKS_A_COMMIT = 32
_CHUNKS_A_LOOK = 64
_LOOKS = 100  # of a large list: each look passes over all numbers before it
_NUMBERS_A_LOOK = 500_000  # at most
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
        self._chunks_a_look = _chunks_a_look(batch.spec)
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
            async with self._store.repeats() as repeats:
                if not await self._chunks(repeats):
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

    async def _chunks(self, repeats: Repeats) -> bool:
        """Prepare what is not stored yet; false where the batch stopped running."""
        number = await self._remember(repeats)
        storing: asyncio.Task[bool] | None = None
        try:
            async for some in self._prepared(repeats, number):
                look = repeats.look()  # goes on while those before are stored
                if storing is not None and not await asyncio.shield(storing):
                    return False
                storing = asyncio.create_task(self._store_some(number, some, look))
                number += len(some)
            return storing is None or await asyncio.shield(storing)
        finally:
            if storing is not None:
                await asyncio.gather(storing, return_exceptions=True)

    async def _remember(self, repeats: Repeats) -> int:
        """Look again at what was prepared before a crash; returns how many chunks."""
        number, look = 0, repeats.look()
        async for chunk in self._store.chunks(self._batch_id):
            self._payloads.update(chunk.payload)
            ended = [place for place, how in enumerate(chunk.state.recorded) if how]
            repeats.add(unpack_numbers(chunk.payload), ended)
            number += 1
            if number % self._chunks_a_look == 0:
                await _find_none(look)
                look = repeats.look()
        await _find_none(look)
        await _find_none(repeats.look())
        return number

    async def _prepared(
        self, repeats: Repeats, number: int
    ) -> AsyncIterator[list[Prepared]]:
        """Prepare from the chunk of this number on; yields as many as one look is for."""
        some: list[Prepared] = []
        async for rows in self._rows(number * self._spec.chunk_size):
            numbers, chunk = self._recipe.prepare(rows)
            repeats.add(numbers, chunk.flaws)
            self._payloads.update(chunk.payload)
            some.append(chunk)
            if len(some) == self._chunks_a_look:
                yield some
                some = []
            await asyncio.sleep(0)
        if some:
            yield some

    async def _store_some(
        self,
        number: int,
        some: Sequence[Prepared],
        look: Awaitable[list[int]],
    ) -> bool:
        """Store chunks from this number on; false where the batch stopped running."""
        twice: dict[int, list[int]] = defaultdict(list)
        for place in await look:
            twice[place // self._spec.chunk_size].append(place % self._spec.chunk_size)
        for first in range(0, len(some), _CHUNKS_A_COMMIT):
            at_ms = self._clock.unix_us() // 1000
            ready = [
                _new(number + at, some[at], twice.get(at, ()), at_ms)
                for at in range(first, min(first + _CHUNKS_A_COMMIT, len(some)))
            ]
            if not await self._commit(ready):
                return False
        return True

    async def _commit(self, ready: Sequence[NewChunk]) -> bool:
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


def _chunks_a_look(spec: BatchSpec) -> int:
    some = max(_CHUNKS_A_LOOK, spec.list.records // _LOOKS // spec.chunk_size)
    return min(some, _NUMBERS_A_LOOK // spec.chunk_size)


def _new(number: int, chunk: Prepared, twice: Sequence[int], at_ms: int) -> NewChunk:
    ended, counts, parts = chunk.ended(twice, at_ms)
    return NewChunk(
        number=number, payload=chunk.payload, segment=ended, counts=counts, parts=parts
    )


async def _find_none(look: Awaitable[list[int]]) -> None:
    if await look:
        problem = "numbers stand twice in what is prepared already: send the list again"
        raise StoreDamaged(problem)
