"""Batches: created once, changed by decisions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Row,
    Select,
    bindparam,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from batchwire.adapters.sql import changes, log, worker_rows
from batchwire.adapters.sql.tables import (
    OUTCOMES,
    batches,
    observed,
    operations,
)
from batchwire.adapters.sql.times import millis, moment
from batchwire.domain.batch import Batch, BatchSpec
from batchwire.domain.counts import Counts
from batchwire.domain.events import GENESIS, Fact, State
from batchwire.domain.lifecycle import Status
from batchwire.domain.operations import Change, Command
from batchwire.errors import (
    BatchConflict,
    IllegalOperation,
    StoreDamaged,
    UnknownBatch,
)

_ASKED = ("phase", "selection", "metadata")  # what decides whom an operation concerns
_NOTHING: Mapping[str, str] = MappingProxyType({})
_spec = msgspec.json.Decoder(BatchSpec)
_state = msgspec.json.Decoder(State)
_named = select(batches).where(batches.c.batch_id == bindparam("name"))
_locked = _named.with_for_update()
_have = select(func.pg_advisory_xact_lock(bindparam("gate", type_=BigInteger)))
_share = select(
    func.pg_advisory_xact_lock_shared(
        func.unnest(bindparam("gates", type_=ARRAY(BigInteger)))
    )
)


class Refusal(msgspec.Struct):
    """The stored form of a refused operation: the first answer to a request_id."""

    operation: str
    because: str
    allowed: tuple[str, ...]


def batch_of(row: Row[Any]) -> Batch:
    """
    Read a batch from its row.

    Raises:
        StoreDamaged: it cannot be read; says which.

    """
    try:
        spec, state = _spec.decode(row.spec), state_of(row)
    except (TypeError, ValueError) as error:  # msgspec's are ValueErrors
        raise StoreDamaged(f"batch {row.batch_id} cannot be read: {error}") from error
    return Batch(
        spec=spec,
        state=state,
        counts=counts_of(row),
        parts=row.parts,
        limited_by=row.limited_by,
        resume_at=moment(row.resume_at),
        prepared_by=row.prepared_by or "",
    )


def counts_of(row: Row[Any]) -> Counts:
    """Read the counts of a batch from its row, or of a chunk."""
    return tuple(getattr(row, name) for name in OUTCOMES)


def state_of(row: Row[Any]) -> State:
    """Read the state of a batch from its row."""
    return _state.decode(row.state)


def row_of(conn: Connection, batch_id: str) -> Row[Any]:
    """Find the row of a batch, or raise ``UnknownBatch``."""
    return _one(conn, _named, batch_id)


def locked_row_of(conn: Connection, batch_id: str) -> Row[Any]:
    """
    Find the row of a batch for a decision: it stays as it is until the transaction ends.

    Who shares the batch (``share``) is waited for. SQLite knows no row locks and needs
    none: its writer begins with the write lock.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(_have, {"gate": _gate(batch_id)})
    return _one(conn, _locked, batch_id)


def share(conn: Connection, batch_ids: Iterable[str]) -> None:
    """
    See to it that nobody decides on these batches before this transaction ends.

    Any number may share a batch, and count up in its row (``counted_row_of``). Who is
    to decide is next, even where others go on sharing: a lock of the row would not
    queue him.
    """
    if conn.dialect.name == "postgresql":
        gates = [_gate(batch_id) for batch_id in sorted(batch_ids)]  # as everywhere
        conn.execute(_share, {"gates": gates})


def counted_row_of(conn: Connection, batch_id: str) -> Row[Any]:
    """Find the row of a shared batch as it is, for whoever is to write it at the end."""
    return _one(conn, _locked, batch_id)


def _gate(batch_id: str) -> int:
    """Give the number of a batch's advisory lock; two may have the same."""
    return int.from_bytes(
        blake2b(batch_id.encode(), digest_size=8).digest(), signed=True
    )


def _one(conn: Connection, query: Select[Any], batch_id: str) -> Row[Any]:
    row = conn.execute(query, {"name": batch_id}).first()
    if row is None:
        raise UnknownBatch(batch_id)
    return row


def create(
    conn: Connection,
    spec: BatchSpec,
    digest: bytes,
    facts: Sequence[Fact],
    now: datetime,
) -> tuple[Batch, bool]:
    """Insert a batch and its first events, unless the same request made it before."""
    same = or_(
        batches.c.batch_id == spec.batch_id, batches.c.request_id == spec.request_id
    )
    first = conn.execute(select(batches).where(same)).first()
    if first is not None:
        _must_repeat(first, spec, digest)
        return batch_of(first), False
    seen = select(observed.c.id).where(observed.c.batch_id == spec.batch_id)
    if conn.execute(seen).first() is not None:
        raise BatchConflict(
            spec.batch_id, "is observed already: another system executes it"
        )
    conn.execute(
        insert(batches),
        {
            "batch_id": spec.batch_id,
            "request_id": spec.request_id,
            "list_id": spec.list.list_id,
            "digest": digest,
            "status": Status.PREPARATION_READY,
            "last_hash": GENESIS,
            "state": State().encode(),
            "spec": spec.encode(),
        },
    )
    log.append(conn, row_of(conn, spec.batch_id), facts, now)
    changes.notify(conn)
    return batch_of(row_of(conn, spec.batch_id)), True


def _must_repeat(first: Row[Any], spec: BatchSpec, digest: bytes) -> None:
    if first.request_id != spec.request_id:
        raise BatchConflict(
            spec.batch_id, f"exists already, made by request {first.request_id}"
        )
    if first.batch_id != spec.batch_id or first.digest != digest:
        raise BatchConflict(
            first.batch_id,
            f"request {spec.request_id} made it from other content;"
            " a new batch needs a new request_id",
        )


def find(conn: Connection, statuses: Collection[Status], limit: int) -> list[Batch]:
    """Read batches, newest first."""
    query = select(batches).order_by(batches.c.id.desc())
    if statuses:
        query = query.where(batches.c.status.in_(sorted(statuses)))
    if limit:
        query = query.limit(limit)
    return [batch_of(row) for row in conn.execute(query)]


def begin_preparing(conn: Connection, batch_id: str, owner: str) -> bool:
    """Let a worker prepare the batch, if nobody else does."""
    row = locked_row_of(conn, batch_id)
    if row.prepared_by not in {None, owner}:
        return False
    conn.execute(
        update(batches).where(batches.c.id == row.id).values(prepared_by=owner)
    )
    return True


def cease_preparing(conn: Connection, batch_id: str, owner: str) -> None:
    """Let others prepare the batch."""
    ours = (batches.c.batch_id == batch_id) & (batches.c.prepared_by == owner)
    conn.execute(update(batches).where(ours).values(prepared_by=null()))


def free_preparations(conn: Connection) -> None:
    """Let others prepare what workers prepared that were declared dead."""
    dead = worker_rows.is_lost(batches.c.prepared_by)
    conn.execute(update(batches).where(dead).values(prepared_by=null()))


def write(conn: Connection, row: Row[Any], change: Change, now: datetime) -> None:
    """Write what was decided of a batch."""
    log.append(conn, row, change.facts, now)
    values: dict[str, object] = {"limited_by": ""}  # whoever is limited says so again
    if is_move(change):  # a note leaves alone when the service tries again
        changes.notify(conn)
        values["resume_at"] = change.resume_at and millis(change.resume_at)
    conn.execute(update(batches).where(batches.c.id == row.id), values)


def is_move(change: Change) -> bool:
    """Whether it changes the status."""
    return any("status" in fact.delta for fact in change.facts)


def first_answer(
    conn: Connection, asked: Command, metadata: Mapping[str, str] = _NOTHING
) -> bool:
    """
    Whether the request was answered before; raises its refusal if that was it.

    ``metadata`` is what goes along to the system that executes an observed batch. The
    answers of the first release do not say to which operation.

    Raises:
        BatchConflict: the request_id was another operation's, or one with another
            phase or selection.

    """
    batch_id, request_id = asked.batch_id, asked.request_id
    query = select(operations).where(operations.c.request_id == request_id)
    answer = conn.execute(query).first()
    if answer is None:
        return False
    if answer.batch_id != batch_id:
        raise BatchConflict(
            batch_id, f"request {request_id} was for batch {answer.batch_id}"
        )
    if answer.operation not in ("", asked.operation):
        raise BatchConflict(
            batch_id,
            f"request {request_id} was to {answer.operation} it;"
            f" {asked.operation} needs a request_id of its own",
        )
    _must_ask_again(conn, asked, metadata)
    if answer.refusal is not None:
        was = msgspec.json.decode(answer.refusal, type=Refusal)
        raise IllegalOperation(batch_id, was.operation, was.because, was.allowed)
    return True


def _must_ask_again(
    conn: Connection, asked: Command, metadata: Mapping[str, str]
) -> None:
    """Compare with what the first said, as far as the log has it."""
    first = log.of_request(conn, asked.batch_id, asked.request_id)
    again = {**msgspec.to_builtins(asked), "metadata": dict(metadata)}
    for name in _ASKED:
        if first.get(name) and first[name] != again[name]:
            raise BatchConflict(
                asked.batch_id,
                f"request {asked.request_id} was to {asked.operation} it with {name}"
                f" {first[name]!r}; {again[name]!r} needs a request_id of its own",
            )


def keep_answer(
    conn: Connection, asked: Command, no: IllegalOperation | None, now: datetime
) -> None:
    """Keep the answer to an operation, its refusal or none, for whoever asks again."""
    refusal = (
        None
        if no is None
        else msgspec.json.encode(Refusal(no.operation, no.because, no.allowed))
    )
    conn.execute(
        insert(operations),
        {
            "request_id": asked.request_id,
            "batch_id": asked.batch_id,
            "operation": asked.operation,
            "at": millis(now),
            "refusal": refusal,
        },
    )
