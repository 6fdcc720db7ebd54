"""Verifying that the stored batch says what its events and segments say."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import compress
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, func, select

from batchwire.adapters.sql import chunk_rows, log, observed_rows
from batchwire.adapters.sql.batch_rows import counts_of, row_of, state_of
from batchwire.adapters.sql.tables import OUTCOMES, chunks
from batchwire.domain import observed
from batchwire.domain.counts import ZERO, add, count, named
from batchwire.domain.events import (
    GENESIS,
    PAYLOADS_HASH,
    SPEC_HASH,
    Event,
    State,
    step,
)
from batchwire.domain.ledger import unpack_outline
from batchwire.domain.observed import ObservedState
from batchwire.domain.outcome import Outcome
from batchwire.errors import StoreDamaged
from batchwire.ports.store import Chunk

S = TypeVar("S", State, ObservedState)

_MANY = 500
_FEW = 16
_IS_SENT = bytes(  # by outcome; preparation refuses the others
    one not in {Outcome.INVALID, Outcome.DUPLICATE} for one in range(256)
)


def check_pages(conn: Connection) -> None:
    """See ``check`` of the port; PostgreSQL has tools of its own."""
    if conn.dialect.name != "sqlite":
        return
    found = str(conn.exec_driver_sql("PRAGMA quick_check(1)").scalar())
    if found != "ok":
        problem = f"the database file is damaged ({found.splitlines()[-1]})"
        raise StoreDamaged(f"{problem}; restore it from a backup")


def contradictions(conn: Connection, batch_id: str) -> list[str]:
    """Find every contradiction, one sentence each; an observed batch has no ledger."""
    seen = observed_rows.row_of(conn, batch_id)
    if seen is not None:
        return list(_of_log(conn, seen, ObservedState(), observed.step, {}))
    row = row_of(conn, batch_id)
    hashes = dict.fromkeys((SPEC_HASH, PAYLOADS_HASH), "")
    found = list(_of_log(conn, row, State(), step, hashes))
    if hashes[SPEC_HASH] not in {"", _hash(row.spec)}:
        found.append("what was asked for, such as the template, was changed since")
    try:
        state = state_of(row)
    except (TypeError, ValueError) as error:
        return [*found, f"the stored state cannot be read: {error}"]
    if row.status != state.status:
        found.append(f"the batch is {row.status}, its stored state says {state.status}")
    found += _of_end(conn, row, state)
    if state.is_purged:
        return [*found, *_of_sums(conn, row)]
    return [*found, *_of_ledger(conn, row, hashes[PAYLOADS_HASH])]


def _of_log(
    conn: Connection,
    row: Row[Any],
    state: S,
    step: Callable[[S, Event], S],
    hashes: dict[str, str],
) -> Iterator[str]:
    """Read the log; ``hashes`` are those that its events have, by their key."""
    previous, sequence = GENESIS, 0
    while rows := log.read(conn, row.batch_id, sequence, _MANY):
        for one in rows:
            if one.sequence != sequence + 1:
                yield f"event {sequence + 1} is missing (event {one.sequence} follows)"
            before, previous, sequence = previous, one.hash, one.sequence
            try:
                event = log.event_of(one)
                state = step(state, event)
                hashes |= {k: event.data[k] for k in hashes if k in event.data}
                is_same = event.digest(before) == one.hash
            except (TypeError, ValueError) as error:  # msgspec's are ValueErrors
                yield f"event {sequence} ({one.type}) cannot be read: {error}"
                continue
            if not is_same:
                yield f"event {sequence} ({one.type}) was changed, or one before"
    if previous != row.last_hash:
        yield f"the log ends at event {sequence}, but the batch has gone further"
    if state.encode() != row.state:
        yield "folding the events does not give the stored state"


def _of_end(conn: Connection, row: Row[Any], state: State) -> Iterator[str]:
    """Hold the counts of what has ended, and waits for nothing, to its last event."""
    leased = select(chunks.c.number).where(
        chunks.c.batch == row.id, chunks.c.lease_owner.is_not(None)
    )
    if not state.status.has_ended or conn.execute(leased.limit(1)).first():
        return
    if state.counts != counts_of(row):
        told = _told(state.counts)
        yield f"the batch counts {_told(counts_of(row))}, its last event says {told}"
    if state.parts != row.parts:
        yield f"the batch has {row.parts} parts, its last event says {state.parts}"


def _of_ledger(conn: Connection, row: Row[Any], sealed: str) -> Iterator[str]:
    """Read all chunks; ``sealed`` is the hash of their payloads, empty without one."""
    total, parts, after, payloads = ZERO, 0, -1, hashlib.sha256()
    while True:
        try:
            some = list(chunk_rows.read(conn, row.id, after, _FEW))
            packed = [unpack_outline(chunk.payload) for chunk in some]
        except (KeyError, TypeError, ValueError, StoreDamaged) as error:
            yield f"of chunks {after + 1} to {after + _FEW} one cannot be read: {error}"
            return
        if not some:
            break
        for chunk, (numbers, parts_each) in zip(some, packed, strict=True):
            if chunk.number != after + 1:
                yield f"chunk {after + 1} is missing (chunk {chunk.number} follows)"
            after = chunk.number
            payloads.update(chunk.payload)
            yield from _of_chunk(chunk, len(numbers), parts_each)
            total = add(total, count(chunk.state.outcomes()))
            parts += chunk.parts
    if sealed not in {"", payloads.hexdigest()}:
        yield "recipients, or values of theirs, were changed since the batch was sealed"
    yield from _of_total(counts_of(row), total)
    if parts != row.parts:
        yield f"the batch has {row.parts} parts, its chunks say {parts}"


def _of_chunk(chunk: Chunk, size: int, parts: bytes) -> Iterator[str]:
    outcomes = chunk.state.outcomes()
    found = count(outcomes)
    if not size == len(parts) == sum(found):
        yield f"chunk {chunk.number} has {sum(found)} recipients, {size} packed"
        return
    if found != chunk.counts:
        yield (
            f"chunk {chunk.number} counts {_told(chunk.counts)},"
            f" its segments say {_told(found)}"
        )
    sent = sum(compress(parts, outcomes.translate(_IS_SENT)))
    if sent != chunk.parts:
        yield f"chunk {chunk.number} has {chunk.parts} parts, {sent} packed"


def _of_sums(conn: Connection, row: Row[Any]) -> Iterator[str]:
    """Compare the counts alone: who stood where in the chunks is purged."""
    query = select(*(func.sum(chunks.c[name]) for name in OUTCOMES)).where(
        chunks.c.batch == row.id
    )
    total = tuple(int(n or 0) for n in conn.execute(query).one())
    yield from _of_total(counts_of(row), total)


def _hash(stored: object) -> str:
    """Hash what is stored; what is not even bytes is none of ours."""
    return hashlib.sha256(stored).hexdigest() if isinstance(stored, bytes) else "none"


def _of_total(counts: tuple[int, ...], total: tuple[int, ...]) -> Iterator[str]:
    if total != counts:
        yield f"the batch counts {_told(counts)}, its chunks say {_told(total)}"


def _told(counts: tuple[int, ...]) -> str:
    return ", ".join(f"{n} {name}" for name, n in named(counts).items() if n) or "none"
