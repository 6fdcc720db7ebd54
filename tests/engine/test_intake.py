"""Intake: what a list is found to be before anything is made of it."""

import asyncio
from typing import Any, cast

import pytest

from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.batch import Batch
from batchwire.domain.ledger import decompress
from batchwire.domain.lifecycle import Status
from batchwire.engine import intake
from batchwire.engine.intake import Intake
from batchwire.errors import StoreBusy, UnreadableList
from batchwire.testing.builders import (
    FastClock,
    FlakyStore,
    ScriptedProvider,
    Service,
    numbers,
    pieces,
    submission,
)

ONE, TWO = numbers(2)


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE}\n\n  \n{TWO}\n\n",
        f"{ONE}\r\r\n{TWO}",
        f"to,name\n{ONE},Ann\n\n \n{TWO},Bob\n",
        f'to,name\n{ONE},"A\nn\nn"\n{TWO},Bob\n',
        f'{{"to": "{ONE}"}}\n\n"{TWO}"\n\n\n',
    ],
)
async def test_a_list_has_as_many_records_as_recipients(
    store: SqlStore, clock: FastClock, text: str
) -> None:
    service = Service(store, clock, {"scripted": ScriptedProvider()})
    taken = await service.take(text)
    await service.run()
    batch = await store.batch("b1")
    assert batch.state.status is Status.COMPLETED
    assert taken.spec.list.records == sum(batch.counts) == 2


@pytest.mark.parametrize("size", [2, 40_000])
@pytest.mark.parametrize("name", ['5" pipe', ' "Ann"', '"B"ob', '"open'])
async def test_a_quote_that_encloses_no_field_is_named_in_lists_of_any_size(
    store: SqlStore, clock: FastClock, name: str, size: int
) -> None:
    rows = f'{ONE},"Ann, B"\n' * size
    service = Service(store, clock, {})
    with pytest.raises(UnreadableList, match="does not enclose a whole") as raised:
        await service.take(f"to,name\n{rows}{TWO},{name}\n{rows}")
    assert raised.value.line == size + 2


@pytest.mark.parametrize("mark", ["", "\ufeff"])
async def test_what_follows_very_many_blank_lines_is_read(
    store: SqlStore, clock: FastClock, mark: str
) -> None:
    blank = mark + "\n" * 262_143
    service = Service(store, clock, {})
    taken = await service.take(f"{blank}to,name\n{ONE},Ann\n")
    assert taken.spec.list.columns == ("to", "name")
    assert (taken.spec.list.first_line, taken.spec.list.records) == (262_145, 1)
    with pytest.raises(UnreadableList, match=r"^the list: has no recipients\."):
        await service.take(f"{blank}to,name\n\n\n", "b2")


@pytest.fixture
def many_blocks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let a list of so many lines be stored by several calls."""
    monkeypatch.setattr(intake, "BLOCK_BYTES", 256)
    monkeypatch.setattr(intake, "_BLOCKS_A_COMMIT", 2)
    return numbers(3000)


async def taken(store: object, clock: FastClock, lines: list[str]) -> Batch:
    asked = submission("b1", chunk_size=100)
    reading = Intake(cast("SqlStore", store), clock)
    batch, _ = await reading.take(asked, pieces("\n".join(lines)))
    return batch


async def test_intake_that_fails_at_any_call_makes_no_batch_and_says_so(
    store: SqlStore, clock: FastClock, many_blocks: list[str]
) -> None:
    last = 0
    while True:
        last += 1
        flaky = FlakyStore(store, last.__eq__)
        try:
            batch = await taken(flaky, clock, many_blocks)
        except StoreBusy:
            assert await store.batches() == []
        else:
            break
    assert flaky.calls > 3
    assert batch.spec.list.records == len(many_blocks)
    blocks = [block async for block in store.list_blocks(batch.spec.list.list_id)]
    assert b"".join(map(decompress, blocks)).decode().split("\n") == many_blocks


async def test_of_a_list_that_breaks_off_no_block_is_left_by_who_was_storing(
    store: SqlStore, clock: FastClock, many_blocks: list[str]
) -> None:
    ids = set()

    class Slow(FlakyStore):
        async def add_list_blocks(self, list_id: str, *args: Any) -> None:  # noqa: ANN401
            ids.add(list_id)
            await asyncio.sleep(0.05)
            await store.add_list_blocks(list_id, *args)

    slow = Slow(store, lambda _: False)
    with pytest.raises(UnreadableList, match="NUL bytes"):
        await taken(slow, clock, [*many_blocks, "\0", *many_blocks])
    await asyncio.sleep(0.1)  # whoever is still storing would be done by then
    (list_id,) = ids
    assert [block async for block in store.list_blocks(list_id)] == []


async def test_who_reads_waits_for_who_stores(
    store: SqlStore, clock: FastClock, many_blocks: list[str]
) -> None:
    under_way, most = 0, 0

    class Slow(FlakyStore):
        async def add_list_blocks(self, *args: Any) -> None:  # noqa: ANN401
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.02)
            await store.add_list_blocks(*args)
            under_way -= 1

    await taken(Slow(store, lambda _: False), clock, many_blocks)
    assert most == 1
