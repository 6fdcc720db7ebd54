"""Preparation: who stands twice, wherever it breaks off; and whose turn it is."""

import pytest

from batchwire.adapters.sql.store import SqlStore
from batchwire.domain import operations
from batchwire.domain.ledger import unpack_numbers
from batchwire.domain.lifecycle import Status, Trigger
from batchwire.domain.outcome import Outcome
from batchwire.engine import preparation
from batchwire.engine.preparation import Preparation
from batchwire.errors import StoreBusy
from batchwire.testing.builders import FastClock, FlakyStore, Service, numbers

PEOPLE = numbers(30)
LIST = [*PEOPLE, *PEOPLE[:20], "nonsense", *reversed(PEOPLE)]


async def prepare(
    store: object, clock: FastClock, batch_id: str, real: SqlStore
) -> None:
    await real.change(
        batch_id,
        lambda b: operations.enter(b, Trigger.PREPARATION_STARTED, clock.now()),
    )
    batch = await real.batch(batch_id)
    await Preparation(store, clock, batch).run()  # type: ignore[arg-type]


async def outcomes(store: SqlStore, batch_id: str) -> list[tuple[str, Outcome]]:
    return [
        pair
        async for chunk in store.chunks(batch_id)
        for pair in zip(
            unpack_numbers(chunk.payload),
            map(Outcome, chunk.state.recorded),
            strict=True,
        )
    ]


@pytest.mark.parametrize("most", [1000, 8], ids=["one look", "several looks"])
async def test_preparation_that_ends_at_any_call_goes_on_to_the_same_result(
    store: SqlStore, clock: FastClock, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(preparation, "_MOST_SUSPECTS", most)
    monkeypatch.setattr(preparation, "_MARKED_A_COMMIT", 2)
    monkeypatch.setattr(preparation, "_CHUNKS_A_COMMIT", 3)
    service = Service(store, clock, {})
    expected = [
        *((number, Outcome.OPEN) for number in PEOPLE),
        *((number, Outcome.DUPLICATE) for number in PEOPLE[:20]),
        ("nonsense", Outcome.INVALID),
        *((number, Outcome.DUPLICATE) for number in reversed(PEOPLE)),
    ]
    last = 0
    while True:
        last += 1
        batch_id = f"b{last}"
        await service.take(LIST, batch_id, chunk_size=7)
        flaky = FlakyStore(store, last.__eq__)
        try:
            await prepare(flaky, clock, batch_id, store)
        except StoreBusy:
            await prepare(store, clock, batch_id, store)
        batch = await store.batch(batch_id)
        assert batch.state.status is Status.DELIVERY_READY
        assert await outcomes(store, batch_id) == expected
        assert batch.parts == batch.counts[Outcome.OPEN] == len(PEOPLE)
        assert batch.counts[Outcome.DUPLICATE] == 50
        assert await service.flaws(batch_id) == []
        if not flaky.failures:
            break
    assert last > 10
