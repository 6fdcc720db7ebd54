"""A transaction is not cut short."""

import asyncio
import gc

import pytest

from batchwire.adapters.sql.database import to_its_end
from batchwire.errors import StoreBusy


@pytest.mark.parametrize("error", [None, StoreBusy("locked")])
async def test_who_is_cancelled_waits_for_the_end_whatever_that_is(
    error: StoreBusy | None,
) -> None:
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: heard.append(said))
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        ended.set()
        if error is not None:
            raise error

    waiting = asyncio.ensure_future(to_its_end(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    may_end.set()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert ended.is_set()
    del waiting
    gc.collect()  # asyncio tells of errors that nobody took note of when they go
    assert heard == []
