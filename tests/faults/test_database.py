"""Faults 14 and 29: a database that is locked, full, read-only, or tampered with."""

import asyncio
import resource
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.faults.conftest import Watch, World, accepted

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.server import SandboxServer
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.sqlite_connect import BUSY_TIMEOUT_S
from batchwire.adapters.sql.store import SqlStore
from batchwire.cli.exit_codes import ExitCode
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.testing.builders import numbers, until

RECIPIENTS = 2000

# Becomes the command that follows, without root's right to write what is read-only.
AS_ANYBODY = """
import ctypes, os, sys
drop_from_bounding_set, dac_override, dac_read_search = 24, 1, 2
prctl = ctypes.CDLL(None).prctl
prctl(drop_from_bounding_set, dac_override, 0, 0, 0)
prctl(drop_from_bounding_set, dac_read_search, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


async def completed(watch: Watch, provider: SandboxServer) -> None:
    batch = await watch.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == RECIPIENTS
    assert accepted(provider).total() == RECIPIENTS
    assert provider.stats.repeated_recipients == 0
    assert await watch.broken(RECIPIENTS) == []


async def test_a_database_locked_for_longer_than_anybody_waits_is_waited_for(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    provider.change(Behaviour(latency_ms=20))
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=100)
    engine = await world.engine()
    await until(lambda: provider.stats.accepted > 200)
    with closing(sqlite3.connect(world.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        pausing = asyncio.create_task(world.command("pause", "b1"))
        await asyncio.sleep(BUSY_TIMEOUT_S + 1.5)
        code, said = await pausing
        other.execute("ROLLBACK")
    assert code == ExitCode.STORE
    assert "another process keeps the write lock; wait until it is done" in said
    assert (await watch.store.batch("b1")).state.status is Status.DELIVERY_RUNNING
    await completed(watch, provider)
    assert "store_unavailable" in engine.said
    assert "Traceback" not in engine.said


async def test_a_disk_that_takes_no_more_is_waited_for(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    """The engine's files may not grow any more, for a while: any user can do that."""
    provider.change(Behaviour(latency_ms=20))
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=100)
    engine = await world.engine()
    await until(lambda: provider.stats.accepted > 200)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (4096, hard))
    await until(lambda: "store_unavailable" in engine.said)
    await asyncio.sleep(0.5)
    known = provider.stats.accepted
    await asyncio.sleep(0.5)
    assert provider.stats.accepted == known < RECIPIENTS  # nothing without its intent
    assert engine.is_running
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (hard, hard))
    await completed(watch, provider)
    assert "Traceback" not in engine.said


def _restore(database: Path) -> None:
    backup = database.with_name("backup.db")
    with (
        closing(sqlite3.connect(database)) as old,
        closing(sqlite3.connect(backup)) as new,
    ):
        old.backup(new)
    backup.replace(database)


def _move(database: Path) -> None:
    database.rename(database.with_name("moved.db"))


def _unlock(database: Path) -> None:
    database.with_name("batchwire.db.lock").unlink()


@pytest.mark.parametrize("replace", [_restore, _move, _unlock])
async def test_an_engine_whose_file_is_not_where_others_look_sends_no_more(
    world: World,
    watch: Watch,
    provider: SandboxServer,
    replace: Callable[[Path], None],
) -> None:
    """Else a pause would be read from another file than it is written to."""
    provider.change(Behaviour(latency_ms=20))
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=100)
    engine = await world.engine()
    await until(lambda: provider.stats.accepted > 200)
    replace(world.database)
    assert await engine.ended() == ExitCode.STORE
    known = provider.stats.accepted
    await asyncio.sleep(0.3)
    assert provider.stats.accepted == known < RECIPIENTS
    assert "was moved, deleted or replaced while it was in use" in engine.said
    assert "Traceback" not in engine.said


@pytest.fixture
async def read_only(world: World, watch: Watch) -> AsyncIterator[Watch]:
    """Take in a batch, then make the folder read-only; gives a look at the database."""
    await watch.take(numbers(5), provider="acme")
    (world.folder / "list.csv").write_text("to\n+447810000001\n")
    modes = _lock_up(world.folder)
    yield watch
    for path, mode in modes.items():
        path.chmod(mode)


def _lock_up(folder: Path) -> dict[Path, int]:
    """Take away the right to write; returns the modes before."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.iterdir())}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    return modes


async def test_a_read_only_database_gets_one_sentence(
    world: World, read_only: Watch
) -> None:
    through = (sys.executable, "-c", AS_ANYBODY)
    send = ("send", "list.csv", "--template", "Hi", "--provider", "acme")
    for asked in [("serve",), send, ("pause", "b1")]:
        process = await world.start(*asked, through=through)
        assert await process.ended() == ExitCode.STORE, process.said
        assert "read-only; make both writable for this user" in process.said
        assert "Traceback" not in process.said
    (batch,) = await read_only.store.batches()
    assert batch.state.status is Status.PREPARATION_READY


DAMAGE = {
    "UPDATE events SET payload = replace(payload, 'running', 'paused')"
    " WHERE sequence = 3": "event 3 ",
    "UPDATE events SET at = '2020-01-01T00:00:00+00:00' WHERE sequence = 3": "event 3 ",
    "DELETE FROM events WHERE sequence = 3": "event 3 is missing",
    "DELETE FROM events WHERE sequence >= 5": "the log ends at event 4",
    "UPDATE chunks SET accepted = accepted - 1 WHERE number = 0": "chunk 0",
    "DELETE FROM results WHERE number = 0": "chunk 0",
    "UPDATE batches SET accepted = accepted + 1": "the batch counts",
    "UPDATE batches SET state = replace(state, 'completed', 'aborted')": (
        "does not give the stored state"
    ),
}


async def test_verify_names_what_was_changed_behind_our_back(
    world: World, watch: Watch, tmp_path: Path
) -> None:
    await watch.take(numbers(20), provider="acme", chunk_size=10)
    engine = await world.engine("--until-idle")
    assert await engine.ended() == 0
    code, said = await world.command("verify", "b1")
    assert code == ExitCode.OK, said
    for number, (damage, named) in enumerate(DAMAGE.items()):
        copy = str(tmp_path / f"copy-{number}.db")
        with closing(sqlite3.connect(world.database)) as whole:
            whole.execute("VACUUM INTO ?", [copy])
        with closing(sqlite3.connect(copy)) as other, other:
            assert other.execute(damage).rowcount > 0
        store = SqlStore(SqliteDatabase(copy), watch.clock)
        found = await store.verify("b1")
        await store.close()
        assert any(named in sentence for sentence in found), (damage, found)
    await world.end()
    with closing(sqlite3.connect(world.database)) as other, other:
        other.execute(next(iter(DAMAGE)))
    code, said = await world.command("verify", "b1")
    assert code == ExitCode.NOT_GOOD
    assert "event 3 " in said
