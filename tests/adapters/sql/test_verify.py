"""Whoever changes the database behind our back is found (fault 29)."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.ledger import VERSION, Payload, pack, segment, unpack_payload
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import FastClock, ScriptedProvider, Service
from batchwire.testing.contracts.store_steps import StoreSteps, answers

make = StoreSteps()
NUMBERS = "+447700900001\n+447700900002"
TWO = pack(Payload(VERSION, NUMBERS, (), b"\1\1")).hex()
NEXT = pack(Payload(9, NUMBERS, (), b"\1\1")).hex()
BEYOND = pack(segment(0, 1, [(4, Outcome.ACCEPTED, 1)])).hex()


@pytest.fixture
async def delivered(store: SqlStore) -> SqlStore:
    await make.delivering(store)
    (claim,) = (await make.flush(store, claim=1)).claims
    await make.flush(store, answers(claim.fence, [Outcome.ACCEPTED], is_released=True))
    await make.operate(store, Operation.PAUSE)
    assert await store.verify("b1") == []
    return store


async def found_after(store: SqlStore, path: Path, statement: str) -> str:
    with sqlite3.connect(path) as direct:
        assert direct.execute(statement).rowcount == 1
    direct.close()
    return "; ".join(await store.verify("b1"))


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "UPDATE events SET payload = replace(payload, 'batchwire', 'mallory') WHERE sequence = 2",
            "event 2 (batch_status_update) was changed, or one before",
        ),
        (
            "UPDATE events SET at = '2031-01-01T00:00:00+00:00' WHERE sequence = 3",
            "event 3 (batch_status_update) was changed",
        ),
        (
            "UPDATE events SET payload = 'nonsense' WHERE sequence = 2",
            "event 2 (batch_status_update) cannot be read",
        ),
        ("DELETE FROM events WHERE sequence = 2", "event 2 is missing"),
        ("DELETE FROM events WHERE sequence = 1", "event 1 is missing"),
        (
            "DELETE FROM events WHERE sequence = 6",
            "the log ends at event 5, but the batch has gone further",
        ),
        (
            "UPDATE batches SET state = replace(state, 'paused', 'running')",
            "folding the events does not give the stored state",
        ),
        (
            "UPDATE batches SET accepted = 2",
            "the batch counts 7 open, 2 accepted, its chunks say 7 open, 1 accepted",
        ),
        (
            "UPDATE chunks SET accepted = 2, open = 2 WHERE number = 0",
            "chunk 0 counts 2 open, 2 accepted, its segments say 3 open, 1 accepted",
        ),
        ("DELETE FROM results", "chunk 0 counts 3 open, 1 accepted"),
        ("DELETE FROM chunks WHERE number = 1", "its chunks say 3 open, 1 accepted"),
        (
            "DELETE FROM payloads WHERE number = 1",
            "of chunks 0 to 15 one cannot be read",
        ),
        (
            "UPDATE payloads SET data = 'nonsense' WHERE number = 1",
            "of chunks 0 to 15 one cannot be read",
        ),
        (
            "UPDATE payloads SET data = x'{two}' WHERE number = 0",
            "chunk 0 has 4 recipients, 2 packed",
        ),
        (
            "UPDATE results SET data = 'nonsense'",
            "of chunks 0 to 15 one cannot be read",
        ),
        (
            "UPDATE results SET data = x'{beyond}'",
            "a segment of 1 does not fit its chunk",
        ),
        ("UPDATE payloads SET data = x'{next}' WHERE number = 1", "it is of version 9"),
        ("UPDATE chunks SET size = 3 WHERE number = 0", "3 recipients, 4 packed"),
        ("DELETE FROM chunks WHERE number = 0", "chunk 0 is missing (chunk 1 follows)"),
        ("UPDATE chunks SET parts = 99 WHERE number = 1", "chunk 1 has 99 parts, 4"),
        ("UPDATE batches SET parts = 99", "the batch has 99 parts, its chunks say 8"),
        (
            "UPDATE batches SET status = 'aborted'",
            "the batch is aborted, its stored state says delivery_paused",
        ),
        (
            "UPDATE batches SET spec = CAST(replace(spec, 'Hello', 'Lower') AS BLOB)",
            "what was asked for, such as the template, was changed since",
        ),
        ("UPDATE batches SET spec = 'nonsense'", "what was asked for"),
        ("UPDATE batches SET state = 7", "the stored state cannot be read"),
        ("UPDATE events SET hash = 7 WHERE sequence = 2", "event 3"),
    ],
)
async def test_what_was_changed_is_named(
    delivered: SqlStore, path: Path, statement: str, sentence: str
) -> None:
    statement = statement.format(two=TWO, beyond=BEYOND, next=NEXT)
    assert sentence in await found_after(delivered, path, statement)


async def test_another_number_or_value_in_a_sealed_batch_is_found(
    store: SqlStore, path: Path
) -> None:
    service = Service(store, FastClock(), {"scripted": ScriptedProvider()})
    await service.take("to,n\n+447700900001,a\n+447700900002,b", template="{{n}}")
    await service.run()
    await service.until(Status.COMPLETED)
    assert await store.verify("b1") == []
    [chunk] = [one async for one in store.chunks("b1")]
    ours = unpack_payload(chunk.payload)
    for changed in (
        msgspec.structs.replace(ours, numbers=ours.numbers.replace("2", "3")),
        msgspec.structs.replace(ours, columns=(["a", "c"],)),
    ):
        theirs = pack(changed).hex()
        statement = f"UPDATE payloads SET data = x'{theirs}'"  # noqa: S608 our own
        assert await found_after(store, path, statement) == (
            "recipients, or values of theirs, were changed since the batch was sealed"
        )
