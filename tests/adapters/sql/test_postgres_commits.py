"""Fault 15: the connection is lost in the middle of a commit."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from batchwire.adapters.sql import postgres
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.outcome import Outcome
from batchwire.errors import StoreInDoubt, StoreUnreachable
from batchwire.testing.builders import until
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import SIZE, StoreSteps, answers
from batchwire.testing.postgres import Cluster
from batchwire.testing.postgres_proxy import Cut, PostgresProxy

make = StoreSteps()


@pytest.fixture
async def proxy(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PostgresProxy]:
    folder = tmp_path_factory.mktemp("p")
    one = PostgresProxy(folder, cluster.folder)
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
def database(
    postgres_url: str, cluster: Cluster, proxy: PostgresProxy
) -> PostgresDatabase:
    through = Path(proxy.path).parent
    url = postgres_url.replace(quote(str(cluster.folder)), quote(str(through)))
    return PostgresDatabase(url)


def crash(cluster: Cluster) -> None:
    cluster.kill()
    cluster.start()


@pytest.mark.parametrize("is_crash", [False, True], ids=["lost", "crashed"])
@pytest.mark.parametrize("cut", Cut)
async def test_answers_whose_commit_was_cut_off_are_counted_once(
    store: SqlStore, proxy: PostgresProxy, cluster: Cluster, cut: Cut, *, is_crash: bool
) -> None:
    await make.delivering(store)
    (claim,) = (await make.flush(store, claim=1)).claims
    proxy.when_cut = (lambda: crash(cluster)) if is_crash else lambda: None
    proxy.cut = cut
    update = answers(claim.fence, [Outcome.ACCEPTED] * SIZE)
    found = await make.flush(store, update)
    assert proxy.cuts == 1
    assert found.counts[Outcome.ACCEPTED] == SIZE
    assert (await store.batch("b1")).counts[Outcome.ACCEPTED] == SIZE
    assert await store.verify("b1") == []


async def test_a_first_commit_that_was_cut_off_is_known_to_stand(
    store: SqlStore, proxy: PostgresProxy
) -> None:
    proxy.cut = Cut.ANSWER
    batch = await make.created(store)
    assert proxy.cuts == 1
    assert batch == await store.batch("b1")
    assert [event.sequence async for event in store.replay("b1")] == [1]


async def test_a_server_that_is_back_later_is_asked_then(
    store: SqlStore, proxy: PostgresProxy
) -> None:
    proxy.when_cut = proxy.shut
    proxy.cut = Cut.ANSWER
    creating = asyncio.ensure_future(make.created(store))
    await until(lambda: proxy.cuts)
    with pytest.raises(StoreUnreachable, match="the server is away"):
        await store.batch("b1")
    assert not creating.done()
    proxy.reopen()
    assert await creating == await store.batch("b1")


async def test_a_server_that_does_not_come_back_leaves_a_doubt_and_says_so(
    store: SqlStore, proxy: PostgresProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "IN_DOUBT_S", 0.1)
    proxy.when_cut = proxy.shut
    proxy.cut = Cut.ANSWER
    with pytest.raises(StoreInDoubt, match="during a commit") as raised:
        await make.created(store)
    assert not raised.value.retryable


async def test_marks_of_connections_long_gone_are_removed(
    postgres_url: str, clock: ManualClock
) -> None:
    session = await asyncpg.connect(postgres_url)
    await session.execute(
        "INSERT INTO commits VALUES ('gone', 7, now() - interval '25 hours'),"
        " ('not yet', 7, now() - interval '23 hours')"
    )
    store = SqlStore(PostgresDatabase(postgres_url), clock)
    await make.created(store)
    await store.close()
    left = {row["connection"] for row in await session.fetch("SELECT * FROM commits")}
    await session.close()
    assert "gone" not in left
    assert "not yet" in left
