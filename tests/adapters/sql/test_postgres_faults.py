"""Faults of the server: in our own words, nothing lost, and on it goes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from batchwire.adapters.sql import migrate, postgres
from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.adapters.sql.postgres_errors import translated
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.lifecycle import Operation, Status
from batchwire.errors import (
    BatchwireError,
    MalformedMessage,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
    UnknownBatch,
    UnknownSchema,
)
from batchwire.testing.builders import create, spec
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.store_steps import StoreSteps
from batchwire.testing.postgres import Cluster

make = StoreSteps()
_OTHERS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
CUT_OFF = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"


@pytest.fixture
def database(postgres_url: str) -> PostgresDatabase:
    return PostgresDatabase(postgres_url, lock_timeout_s=0.05)


@pytest.fixture
async def direct(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a session of somebody else."""
    session = await asyncpg.connect(postgres_url)
    yield session
    await session.close()


async def test_a_server_that_hangs_is_not_waited_for_at_the_end(
    postgres_url: str,
    direct: asyncpg.Connection,
    capfd: pytest.CaptureFixture[str],
) -> None:
    database = PostgresDatabase(postgres_url)
    await database.open()
    await database.write(lambda conn: conn.exec_driver_sql("SELECT 1").scalar())
    await database.listen()
    backends = [row["pid"] for row in await direct.fetch(_OTHERS)]
    try:
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        async with asyncio.timeout(30):
            await database.close()
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    assert len(backends) >= 3
    assert "Traceback" not in capfd.readouterr().err


async def test_a_server_that_crashed_and_is_back_is_used_again(
    store: SqlStore, cluster: Cluster
) -> None:
    await make.delivering(store)
    await asyncio.gather(*(store.batch("b1") for _ in range(4)))
    cluster.kill()
    with pytest.raises(StoreUnreachable, match="the server is away"):
        await make.flush(store, claim=1)
    cluster.start()
    assert len((await make.flush(store, claim=1)).claims) == 1
    assert await store.verify("b1") == []


async def test_connections_that_were_cut_off_are_not_noticed(
    store: SqlStore, cluster: Cluster
) -> None:
    await make.created(store)
    await asyncio.gather(*(store.batch("b1") for _ in range(4)))
    await cluster.execute(CUT_OFF)
    paused = await make.operate(store, Operation.PAUSE)
    assert paused.state.status is Status.PREPARATION_PAUSED
    assert await store.batch("b1") == paused


async def test_a_row_kept_by_another_is_busy_and_then_goes_on(
    store: SqlStore, direct: asyncpg.Connection
) -> None:
    await make.created(store)
    async with direct.transaction():
        await direct.execute("SELECT * FROM batches FOR UPDATE")
        with pytest.raises(StoreBusy, match="keeps a row for longer than we wait"):
            await make.operate(store, Operation.PAUSE)
        assert (await store.batch("b1")).state.sequence == 1  # reading goes on
    await make.operate(store, Operation.PAUSE)


async def test_a_standby_is_read_and_refuses_to_be_written(
    store: SqlStore, cluster: Cluster, direct: asyncpg.Connection
) -> None:
    await make.created(store)
    name = await direct.fetchval("SELECT current_database()")
    await cluster.execute(
        f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    )
    await cluster.execute(CUT_OFF)
    with pytest.raises(StoreReadOnly, match="name the primary, not a standby"):
        await make.operate(store, Operation.PAUSE)
    assert (await store.batch("b1")).state.sequence == 1


async def test_a_database_that_is_not_there_is_named_without_the_password(
    postgres_url: str, clock: ManualClock
) -> None:
    url = postgres_url.replace("postgres@", "postgres:geheim@").replace("/test", "/no")
    store = SqlStore(PostgresDatabase(url), clock)
    with pytest.raises(StoreUnreachable, match="there is no such database") as raised:
        await store.open()
    assert "geheim" not in f"{raised.value!r} {raised.value.__cause__!r}"
    await store.close()


async def test_a_host_that_does_not_answer_is_unreachable(clock: ManualClock) -> None:
    store = SqlStore(PostgresDatabase("postgresql://u:geheim@127.0.0.1:1/db"), clock)
    for call in (store.open, store.bury):
        with pytest.raises(StoreUnreachable, match=r"^database 127.0.0.1:1/db: "):
            await call()
    await store.close()


async def test_a_text_with_a_nul_is_refused_and_nothing_is_stored(
    store: SqlStore,
) -> None:
    await make.created(store)
    with pytest.raises(MalformedMessage, match="NUL"):
        await make.operate(store, Operation.PAUSE, "r\0")
    with pytest.raises(MalformedMessage, match="NUL"):
        await create(store, spec("b2", request_id="r\0"))
    with pytest.raises(UnknownBatch):
        await store.batch("b2")
    assert (await store.batch("b1")).state.sequence == 1


async def test_a_row_that_cannot_be_read_is_damage(
    store: SqlStore, direct: asyncpg.Connection
) -> None:
    await make.created(store)
    await direct.execute("UPDATE batches SET spec = 'nonsense'")
    with pytest.raises(StoreDamaged, match="batch b1 cannot be read"):
        await store.batch("b1")


async def test_a_server_that_is_too_old_is_refused(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OLDEST", 99)
    with pytest.raises(StoreError, match="is too old; 99 or later is needed"):
        await store.open()


async def test_an_older_schema_is_refused_and_the_command_named(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "HEAD", "next")
    with pytest.raises(UnknownSchema, match=r"older .* run `batchwire db upgrade`"):
        await store.open()


async def test_four_that_open_an_empty_database_make_the_schema_once(
    cluster: Cluster, clock: ManualClock
) -> None:
    await cluster.execute("CREATE DATABASE empty")
    stores = [SqlStore(PostgresDatabase(cluster.url("empty")), clock) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    assert [await store.batches() for store in stores] == [[], [], [], []]
    await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.CannotConnectNowError, StoreUnreachable),
        (asyncpg.ConnectionDoesNotExistError, StoreUnreachable),
        (asyncpg.AdminShutdownError, StoreUnreachable),
        (asyncpg.InvalidPasswordError, StoreUnreachable),
        (asyncpg.InvalidCatalogNameError, StoreUnreachable),
        (asyncpg.PostgresIOError, StoreUnreachable),
        (asyncpg.InterfaceError, StoreUnreachable),
        (ConnectionResetError, StoreUnreachable),
        (TimeoutError, StoreUnreachable),
        (asyncpg.DiskFullError, StoreFull),
        (asyncpg.TooManyConnectionsError, StoreBusy),
        (asyncpg.OutOfMemoryError, StoreBusy),
        (asyncpg.DeadlockDetectedError, StoreBusy),
        (asyncpg.SerializationError, StoreBusy),
        (asyncpg.LockNotAvailableError, StoreBusy),
        (asyncpg.QueryCanceledError, StoreBusy),
        (asyncpg.ReadOnlySQLTransactionError, StoreReadOnly),
        (asyncpg.InsufficientPrivilegeError, StoreReadOnly),
        (asyncpg.UndefinedTableError, UnknownSchema),
        (asyncpg.UndefinedColumnError, UnknownSchema),
        (asyncpg.DataCorruptedError, StoreDamaged),
        (asyncpg.IndexCorruptedError, StoreDamaged),
        (asyncpg.UniqueViolationError, StoreError),
        (asyncpg.CharacterNotInRepertoireError, MalformedMessage),
    ],
)
def test_every_error_of_the_driver_becomes_ours(
    error: type[Exception], kind: type[BatchwireError]
) -> None:
    said = error("as the driver says it")
    with pytest.raises(BatchwireError) as raised, translated("h/db"):
        raise said
    assert type(raised.value) is kind
    assert raised.value.__cause__ is said
