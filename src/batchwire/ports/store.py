"""
The door to the database: batches, their chunk ledger, and every fact about them.

Each method is one transaction, and what it wrote is durable when it returns; those that
yield read in portions. Raises ``StoreError``, and what a method names: where the error is
retryable, nothing of the call was stored.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import msgspec

from batchwire.domain.batch import Batch, BatchSpec
from batchwire.domain.counts import Counts
from batchwire.domain.events import Fact
from batchwire.domain.ledger import ChunkState, Segment
from batchwire.domain.lifecycle import Status
from batchwire.domain.operations import Change, Command
from batchwire.domain.outcome import Outcome
from batchwire.domain.rationing import Ask, Grant, Rate, Rates
from batchwire.ports.repeats import Repeats
from batchwire.ports.workers import Workers

Decide = Callable[[Batch], Change]


class NewChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared chunk. ``segment`` tells who of it is not open; None where all are."""

    number: int
    payload: bytes
    segment: Segment | None
    counts: Counts
    parts: int


class Rewrite(msgspec.Struct, frozen=True, kw_only=True):
    """
    A change to a chunk that nobody delivers: rescue, retry.

    Appends the segments, sets counts and ``closed_as``, and ends any lease and intent.
    The batch's counts move along. ``fence``: the lease of a dead worker that it ends;
    where somebody else ended that one before, nothing of the change is written.
    """

    number: int
    segments: tuple[Segment, ...]
    counts: Counts
    closed_as: Outcome | None = None
    fence: int | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """
    A chunk leased to us. ``fence`` rises with every lease of the chunk.

    ``suppressed``: the positions of suppressed numbers.
    """

    number: int
    fence: int
    payload: bytes
    state: ChunkState
    suppressed: frozenset[int] = frozenset()


class SuppressedNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number that nobody submits to, since when and why."""

    number: str
    reason: str
    since: datetime


class ChunkUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a flush writes of one leased chunk.

    ``segments``: the answers since the last flush. ``intent``: every open position
    below it may be submitted from now on. ``is_released`` gives the lease back; what
    is still open then is due again after ``due_s``.
    """

    number: int
    fence: int
    segments: tuple[Segment, ...] = ()
    intent: int = 0
    is_released: bool = False
    due_s: float = 0.0


class Flush(msgspec.Struct, frozen=True, kw_only=True):
    """
    One batch's share of a flush; ``claim`` is how many more chunks to lease.

    ``limited_by`` None leaves what is said. ``facts`` of progress are left out where
    another worker told them within the second. ``escaped`` is told with the last answers
    of a batch that stopped: as ``operations.settle``. ``suppress`` are numbers never to
    submit to again, for ``reason``: stored with the answers that say so.
    """

    batch_id: str
    updates: tuple[ChunkUpdate, ...] = ()
    facts: tuple[Fact, ...] = ()
    limited_by: str | None = None
    claim: int = 0
    escaped: int | None = None
    suppress: tuple[str, ...] = ()
    reason: str = ""


class Flushed(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a flush found.

    Where ``status`` is not running, the intents are void and nothing was claimed.
    ``stale`` chunks were taken over: nothing of theirs was written. ``next_due_s``:
    in how long the next unleased chunk is due, where fewer were claimed than asked.
    """

    status: Status
    counts: Counts
    claims: tuple[Claim, ...] = ()
    stale: tuple[int, ...] = ()
    next_due_s: float | None = None


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk to look at; ``intent`` and ``fence`` as the last lease left them."""

    number: int
    payload: bytes
    state: ChunkState
    counts: Counts
    parts: int
    fence: int
    intent: int


class Store(Workers, Protocol):
    """Everything the engine and its operators keep."""

    async def open(self) -> None:
        """
        Connect; make the schema, or see that it is this program's. Idempotent.

        An SQLite file of an older program is brought up to date.

        Raises:
            UnknownSchema: it is another one; says what mends it.
            StoreError: it cannot be opened.

        """
        ...

    async def close(self) -> None:
        """Let go of every connection. Idempotent."""
        ...

    async def add_list_blocks(
        self, list_id: str, first: int, blocks: Sequence[bytes]
    ) -> None:
        """Append compressed blocks of a list, numbered from ``first``."""
        ...

    async def discard_list(self, list_id: str) -> None:
        """Remove a list unless a batch is still to be prepared from it."""
        ...

    async def discard_orphans(self, before: datetime) -> int:
        """
        Remove lists that did not grow since then and no batch is to be prepared from.

        Those no batch came to use, and those a crash left behind after the seal.
        """
        ...

    def list_blocks(self, list_id: str) -> AsyncIterator[bytes]:
        """Yield the blocks of a list in order, one in memory at a time."""
        ...

    async def create(
        self, spec: BatchSpec, digest: bytes, facts: Sequence[Fact]
    ) -> tuple[Batch, bool]:
        """
        Create a batch; the same request_id and digest again gives the first, False.

        Raises:
            BatchConflict: the batch_id or request_id belongs to another request, or the
                batch is observed.
            OutboxFull: too many records wait to be published.

        """
        ...

    async def batch(self, batch_id: str) -> Batch:
        """
        Read one.

        Raises:
            UnknownBatch: there is none of this id.

        """
        ...

    async def batches(
        self, statuses: Collection[Status] = (), limit: int = 0
    ) -> list[Batch]:
        """Read those in the statuses (all where empty), newest first."""
        ...

    async def change(
        self,
        batch_id: str,
        decide: Decide,
        *,
        command: Command | None = None,
        rewrites: Sequence[Rewrite] = (),
    ) -> Batch:
        """
        Read the batch, decide, and write the change with its events.

        ``decide`` must be pure and quick: it runs inside the transaction. A ``command``
        whose request_id was answered before gets the first answer, without effect.
        ``rewrites`` are written only if the change has facts and no refusal.

        Raises:
            UnknownBatch: there is none of this id.
            BatchConflict: the command's request_id was another operation's, or one with
                another phase or selection; nothing is stored.
            IllegalOperation: the change's refusal, after it was stored.
            StaleBatch: a lease that a rewrite ends was ended before.

        """
        ...

    async def begin_preparing(self, batch_id: str, owner: str) -> bool:
        """Let only this worker prepare the batch; False where another does. Idempotent."""
        ...

    async def cease_preparing(self, batch_id: str, owner: str) -> None:
        """Let any worker prepare the batch; nothing where another does already."""
        ...

    def repeats(self) -> AbstractAsyncContextManager[Repeats]:
        """Give what finds who stands twice, for one preparation."""
        ...

    async def write_prepared(
        self,
        batch_id: str,
        owner: str,
        chunks: Sequence[NewChunk],
        facts: Sequence[Fact] = (),
    ) -> Status:
        """
        Append prepared chunks while the batch is in preparation_running.

        Returns the status found; unless it is preparation_running, nothing was written.

        Raises:
            StaleLease: another worker prepares the batch, or nobody.

        """
        ...

    async def flush(self, owner: str, flushes: Sequence[Flush]) -> list[Flushed]:
        """
        Write answers and intents, release and claim chunks, for several batches.

        Raises:
            StaleLease: the owner is no engine, or was declared dead.

        """
        ...

    def chunks(self, batch_id: str, *, is_leased: bool = False) -> AsyncIterator[Chunk]:
        """Yield the chunks in order (only those under a lease), few at a time."""
        ...

    def lost_chunks(self, batch_id: str) -> AsyncIterator[Chunk]:
        """Yield in order the chunks whose worker was declared dead."""
        ...

    async def suppress(self, numbers: Collection[str], reason: str) -> None:
        """
        Never submit to these E.164 numbers again: later claims name them.

        Whoever is suppressed already keeps the first reason.
        """
        ...

    async def unsuppress(self, numbers: Sequence[str]) -> set[str]:
        """Let these be submitted to again; returns who of them was suppressed."""
        ...

    async def suppressed(self, numbers: Sequence[str]) -> set[str]:
        """Which of these are suppressed."""
        ...

    async def has_suppressed_since(self, ago_s: float) -> bool:
        """Whether anybody is suppressed since so many seconds ago, or less."""
        ...

    def suppressions(self) -> AsyncIterator[SuppressedNumber]:
        """Yield all that are suppressed, by number, few at a time."""
        ...

    async def reserve(self, asks: Sequence[Ask]) -> list[Grant]:
        """
        Reserve slots of shared rates, each pacer's in one line over all processes.

        In the database's time; what is not used is not given back.
        """
        ...

    async def rates(self) -> Rates:
        """Read the rates that were set, and whether rates are shared here at all."""
        ...

    async def set_rate(self, name: str, rate: Rate | None) -> None:
        """Set a pacer's rate, for every process; None is that of the settings again."""
        ...
