"""``SqlStore``: the store's and the event store's doors, on one SQL database."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from sqlalchemy import ColumnElement, Connection

from batchwire.adapters.sql import (
    audit,
    batch_rows,
    chunk_rows,
    closing,
    flush_rows,
    lists,
    log,
    observed_rows,
    outbox_rows,
    pacer_rows,
    prepared_rows,
    suppression_rows,
    worker_rows,
)
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.engine_door import SqlWorkers
from batchwire.adapters.sql.repeats import repeats
from batchwire.domain.batch import Batch, BatchSpec
from batchwire.domain.events import Event, Fact
from batchwire.domain.lifecycle import Status
from batchwire.domain.operations import VIA_TOPIC, Change, Command
from batchwire.domain.rationing import Ask, Grant, Rate, Rates
from batchwire.errors import OutboxFull, RecipientsPurged
from batchwire.ports.clock import Clock
from batchwire.ports.repeats import Repeats
from batchwire.ports.store import (
    Chunk,
    Decide,
    Flush,
    Flushed,
    NewChunk,
    Rewrite,
    SuppressedNumber,
)

_FEW_BLOCKS = 4  # of 256 KiB before compression
_FEW_CHUNKS = 32
_MANY_EVENTS = 500
_MANY_SUPPRESSIONS = 1000


class SqlStore(SqlWorkers):
    """
    Batches, ledger and event log in one database.

    The statements are plain SQL by SQLAlchemy Core; transactions, and who may be the
    engine, are the ``database``'s. From ``outbox_max_rows`` waiting records on no batch
    is created but those that the topic asked for.
    """

    def __init__(
        self, database: Database, clock: Clock, outbox_max_rows: int = 1_000_000
    ) -> None:
        super().__init__(database, clock)
        self._outbox_max_rows = outbox_max_rows
        self._write = database.write
        self._read = database.read

    async def open(self) -> None:
        """See the port."""
        await self._database.open()

    async def close(self) -> None:
        """See the port."""
        await self._database.close()

    async def add_list_blocks(
        self, list_id: str, first: int, blocks: Sequence[bytes]
    ) -> None:
        """See the port."""
        await self._write(lists.append, list_id, first, blocks, self._clock.now())

    async def discard_list(self, list_id: str) -> None:
        """See the port."""
        await self._write(lists.discard, list_id)

    async def discard_orphans(self, before: datetime) -> int:
        """See the port."""
        return await self._write(lists.discard_orphans, before)

    async def list_blocks(self, list_id: str) -> AsyncIterator[bytes]:
        """See the port."""
        number = 0
        while some := await self._read(lists.blocks, list_id, number, _FEW_BLOCKS):
            for block in some:
                yield block
            number += len(some)

    async def create(
        self, spec: BatchSpec, digest: bytes, facts: Sequence[Fact]
    ) -> tuple[Batch, bool]:
        """See the port."""
        now = self._clock.now()
        most = self._outbox_max_rows
        made = await self._write(_create, spec, digest, facts, most, now)
        self._database.changes.tell()
        return made

    async def batch(self, batch_id: str) -> Batch:
        """See the port."""
        return await self._read(_batch, batch_id)

    async def batches(
        self, statuses: Collection[Status] = (), limit: int = 0
    ) -> list[Batch]:
        """See the port."""
        return await self._read(batch_rows.find, statuses, limit)

    async def change(
        self,
        batch_id: str,
        decide: Decide,
        *,
        command: Command | None = None,
        rewrites: Sequence[Rewrite] = (),
    ) -> Batch:
        """See the port."""
        now = self._clock.now()
        change, batch = await self._write(
            _change, batch_id, decide, command, rewrites, now
        )
        if batch_rows.is_move(change):
            self._database.changes.tell()
        if change.refusal is not None:
            raise change.refusal
        return batch

    async def begin_preparing(self, batch_id: str, owner: str) -> bool:
        """See the port."""
        return await self._write(batch_rows.begin_preparing, batch_id, owner)

    async def cease_preparing(self, batch_id: str, owner: str) -> None:
        """See the port."""
        await self._write(batch_rows.cease_preparing, batch_id, owner)
        self._database.changes.tell()

    def repeats(self) -> AbstractAsyncContextManager[Repeats]:
        """See the port."""
        return repeats()

    async def write_prepared(
        self,
        batch_id: str,
        owner: str,
        chunks: Sequence[NewChunk],
        facts: Sequence[Fact] = (),
    ) -> Status:
        """See the port."""
        now = self._clock.now()
        return await self._write(
            prepared_rows.write, batch_id, owner, chunks, facts, now
        )

    async def flush(self, owner: str, flushes: Sequence[Flush]) -> list[Flushed]:
        """See the port."""
        return await self._write(_flush, owner, flushes, self._clock.now())

    def chunks(self, batch_id: str, *, is_leased: bool = False) -> AsyncIterator[Chunk]:
        """See the port."""
        return self._chunks(batch_id, chunk_rows.LEASED if is_leased else None)

    def lost_chunks(self, batch_id: str) -> AsyncIterator[Chunk]:
        """See the port."""
        return self._chunks(batch_id, chunk_rows.LOST)

    async def _chunks(
        self, batch_id: str, only: ColumnElement[bool] | None
    ) -> AsyncIterator[Chunk]:
        after = -1
        while some := await self._read(_chunks, batch_id, after, only):
            for chunk in some:
                yield chunk
            after = some[-1].number

    async def suppress(self, numbers: Collection[str], reason: str) -> None:
        """See the port."""
        reasons, now = dict.fromkeys(numbers, reason), self._clock.now()
        await self._write(_suppress, reasons, now)

    async def unsuppress(self, numbers: Sequence[str]) -> set[str]:
        """See the port."""
        return await self._write(suppression_rows.remove, numbers)

    async def suppressed(self, numbers: Sequence[str]) -> set[str]:
        """See the port."""
        return await self._read(suppression_rows.among, numbers)

    async def has_suppressed_since(self, ago_s: float) -> bool:
        """See the port."""
        return await self._read(_has_suppressed_since, ago_s, self._clock.now())

    async def suppressions(self) -> AsyncIterator[SuppressedNumber]:
        """See the port."""
        after = ""
        while some := await self._read(
            suppression_rows.behind, after, _MANY_SUPPRESSIONS
        ):
            for one in some:
                yield one
            after = some[-1].number

    async def reserve(self, asks: Sequence[Ask]) -> list[Grant]:
        """See the port."""
        return await self._write(pacer_rows.reserve, asks, self._clock.now())

    async def rates(self) -> Rates:
        """See the port."""
        found = await self._read(pacer_rows.rates)
        return Rates(rates=found, is_shared=not self._database.is_exclusive)

    async def set_rate(self, name: str, rate: Rate | None) -> None:
        """See the port."""
        await self._write(pacer_rows.set_rate, name, rate, self._clock.now())

    async def store(self, batch_id: str, fact: Fact) -> Event:
        """See ``ports.event_store``."""
        return await self._write(_store, batch_id, fact, self._clock.now())

    async def replay(
        self, batch_id: str, until: datetime | None = None
    ) -> AsyncIterator[Event]:
        """See ``ports.event_store``."""
        await self._read(_must_exist, batch_id)
        after = 0
        while rows := await self._read(log.read, batch_id, after, _MANY_EVENTS):
            for event in map(log.event_of, rows):
                if until is not None and event.at > until:
                    return
                yield event
            after = rows[-1].sequence

    async def check(self) -> None:
        """See ``ports.event_store``."""
        await self._read(audit.check_pages)

    async def verify(self, batch_id: str) -> list[str]:
        """See ``ports.event_store``."""
        return await self._read(audit.contradictions, batch_id)


def _create(
    conn: Connection,
    spec: BatchSpec,
    digest: bytes,
    facts: Sequence[Fact],
    most_waiting: int,
    now: datetime,
) -> tuple[Batch, bool]:
    # A request of the topic stands there already; refused it would become a dead letter.
    is_bound = not any(fact.data.get("via") == VIA_TOPIC for fact in facts)
    is_full = is_bound and outbox_rows.is_full(conn, most_waiting)
    batch, is_new = batch_rows.create(conn, spec, digest, facts, now)
    if is_new and is_full:
        raise OutboxFull(most_waiting)
    return batch, is_new


def _batch(conn: Connection, batch_id: str) -> Batch:
    return batch_rows.batch_of(batch_rows.row_of(conn, batch_id))


def _change(
    conn: Connection,
    batch_id: str,
    decide: Decide,
    command: Command | None,
    rewrites: Sequence[Rewrite],
    now: datetime,
) -> tuple[Change, Batch]:
    row = batch_rows.locked_row_of(conn, batch_id)
    if command is not None and batch_rows.first_answer(conn, command):
        return Change(), batch_rows.batch_of(row)
    change = decide(batch_rows.batch_of(row))
    if command is not None:
        batch_rows.keep_answer(conn, command, change.refusal, now)
    if change.facts:
        if rewrites and change.refusal is None:
            chunk_rows.rewrite(conn, batch_id, row.id, rewrites)
        if change.close_open_as is not None:
            closing.close_open(conn, row.id, change.close_open_as, now)
        batch_rows.write(conn, row, change, now)
    return change, _batch(conn, batch_id)


def _suppress(conn: Connection, reasons: Mapping[str, str], now: datetime) -> None:
    suppression_rows.add(conn, reasons, worker_rows.now_ms(conn, now))


def _has_suppressed_since(conn: Connection, ago_s: float, now: datetime) -> bool:
    at_ms = worker_rows.now_ms(conn, now) - int(ago_s * 1000)
    return suppression_rows.is_any_since(conn, at_ms)


def _flush(
    conn: Connection, owner: str, flushes: Sequence[Flush], now: datetime
) -> list[Flushed]:
    at_ms = worker_rows.must_live(conn, owner, now)
    batch_rows.share(conn, [work.batch_id for work in flushes])
    told = {number: work.reason for work in flushes for number in work.suppress}
    suppression_rows.add(conn, told, at_ms)
    written = [flush_rows.flush(conn, owner, work, at_ms) for work in flushes]
    # In one order everywhere: who locks the rows of several batches then meets nobody
    # who holds the one and waits for the other.
    ordered = sorted(zip(flushes, written, strict=True), key=lambda p: p[0].batch_id)
    done = {w.batch_id: flush_rows.count_up(conn, w, d, now) for w, d in ordered}
    return [done[work.batch_id] for work in flushes]


def _chunks(
    conn: Connection, batch_id: str, after: int, only: ColumnElement[bool] | None
) -> list[Chunk]:
    row = batch_rows.row_of(conn, batch_id)
    if batch_rows.state_of(row).is_purged:  # and then none is leased
        if only is not None:
            return []
        raise RecipientsPurged(batch_id)
    return list(chunk_rows.read(conn, row.id, after, _FEW_CHUNKS, only))


def _must_exist(conn: Connection, batch_id: str) -> None:
    if observed_rows.row_of(conn, batch_id) is None:
        batch_rows.row_of(conn, batch_id)


def _store(conn: Connection, batch_id: str, fact: Fact, now: datetime) -> Event:
    logbook = observed_rows.Logbook(conn, [batch_id], now)
    if logbook.state(batch_id) is not None:
        event, _ = logbook.append(batch_id, fact)
        logbook.write()
        return event
    row = batch_rows.locked_row_of(conn, batch_id)
    state = log.append(conn, row, (fact,), now)
    return log.event_of(log.read(conn, batch_id, state.sequence - 1, 1)[0])
