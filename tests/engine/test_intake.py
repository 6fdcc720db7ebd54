"""Intake: what a list is found to be before anything is made of it."""

import pytest

from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.lifecycle import Status
from batchwire.errors import UnreadableList
from batchwire.testing.builders import FastClock, ScriptedProvider, Service, numbers

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
