"""The table of every number, against a plain set, and where it has no room."""

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import pytest
from hypothesis import given, settings, strategies as st

from batchwire.adapters.sql.repeats import SqlRepeats, repeats
from batchwire.errors import StoreFull, StoreUnreachable

chunks = st.lists(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=8), max_size=6
)
MANY = [f"+49{n * 618_033_989 % 10**9:012}" for n in range(300_000)]


async def looked(looks: list[list[list[tuple[int, bool]]]]) -> list[list[int]]:
    found = []
    async with repeats() as one:
        for added in looks:
            for chunk in added:
                numbers = ["nonsense" if bad else f"+4478{n}" for n, bad in chunk]
                flawed = {at for at, (_, bad) in enumerate(chunk) if bad}
                one.add(numbers, flawed)
            found.append(one.look())
        return list(await asyncio.gather(*found))


@settings(max_examples=50)
@given(st.lists(chunks, max_size=4))
def test_the_looks_find_what_a_set_finds(
    looks: list[list[list[tuple[int, bool]]]],
) -> None:
    seen: set[int] = set()
    expected = []
    for added in looks:
        twice = []
        for place, (number, is_flawed) in enumerate(chain.from_iterable(added)):
            if not is_flawed and number in seen:
                twice.append(place)
            if not is_flawed:
                seen.add(number)
        expected.append(twice)
    assert asyncio.run(looked(looks)) == expected


async def test_what_is_in_no_cache_any_more_is_found_too() -> None:
    async with repeats() as one:
        one.add(MANY, ())
        assert await one.look() == []
        one.add(["+4400", MANY[0], MANY[150_000], MANY[-1]], ())
        assert await one.look() == [1, 2, 3]


async def test_without_room_it_says_which_files_have_none() -> None:
    async with repeats() as one:
        one._connection.execute("PRAGMA max_page_count=20")  # noqa: SLF001
        one.add(MANY, ())
        with pytest.raises(StoreFull, match=r"temporary files \(.*: the disk is full"):
            await one.look()


async def test_what_cannot_be_written_says_where() -> None:
    with files_of_at_most(1 << 20):
        async with repeats() as one:
            one.add(MANY, ())
            with pytest.raises(StoreUnreachable, match=r"TMPDIR.*must be writable"):
                await one.look()


async def test_who_is_cancelled_closes_behind_the_look_under_way() -> None:
    one = SqlRepeats()
    one.add(MANY, ())
    look = one.look()
    closing = asyncio.create_task(one.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        one._connection.execute("SELECT 1")  # noqa: SLF001
    assert await look == []


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow further, as on a disk that fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
