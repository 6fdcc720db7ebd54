"""Faults 14 and 29: a database that is locked, full, read-only, or tampered with."""

import asyncio
import json
import resource
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.faults.conftest import Process, Watch, World, accepted

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


async def sending(world: World, watch: Watch, provider: SandboxServer) -> Process:
    """Start an engine; it is in the middle of a batch."""
    provider.change(Behaviour(latency_ms=20))
    await watch.take(numbers(RECIPIENTS), provider="acme", chunk_size=100)
    engine = await world.engine()
    await until(lambda: provider.stats.accepted > 200)
    return engine


async def completed(watch: Watch, provider: SandboxServer) -> None:
    batch = await watch.until(Status.COMPLETED)
    assert batch.counts[Outcome.ACCEPTED] == RECIPIENTS
    assert accepted(provider).total() == RECIPIENTS
    assert provider.stats.repeated_recipients == 0
    assert await watch.broken(RECIPIENTS) == []


async def test_a_database_locked_for_longer_than_anybody_waits_is_waited_for(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    engine = await sending(world, watch, provider)
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
    engine = await sending(world, watch, provider)
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


@pytest.mark.parametrize("replace", [_restore, _move])
async def test_an_engine_whose_file_is_not_where_others_look_sends_no_more(
    world: World,
    watch: Watch,
    provider: SandboxServer,
    replace: Callable[[Path], None],
) -> None:
    """Else a pause would be read from another file than it is written to."""
    engine = await sending(world, watch, provider)
    replace(world.database)
    assert await engine.ended() == ExitCode.STORE
    known = provider.stats.accepted
    await asyncio.sleep(0.3)
    assert provider.stats.accepted == known < RECIPIENTS
    assert "was moved, deleted or replaced while it was in use" in engine.said
    assert "Traceback" not in engine.said


async def test_a_file_that_was_moved_away_and_back_has_lost_nothing(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    """Though somebody starts the service anew meanwhile, as systemd does."""
    engine = await sending(world, watch, provider)
    await watch.app.store.close()
    _move(world.database)
    assert await engine.ended() == ExitCode.STORE
    anew = await world.engine()
    assert await anew.ended() == ExitCode.STORE
    assert "it is not there, but batchwire.db-wal is" in anew.said
    world.database.with_name("moved.db").rename(world.database)
    last = await world.engine("--until-idle")
    assert await last.ended() == 0
    code, said = await world.command("show", "b1", "--json")
    counts = json.loads(said)["counts"]
    assert code == ExitCode.OK
    assert counts["accepted"] + counts["uncertain"] == RECIPIENTS
    assert provider.stats.repeated_recipients == 0


async def test_a_lock_that_was_removed_is_made_anew(
    world: World, watch: Watch, provider: SandboxServer
) -> None:
    await sending(world, watch, provider)
    lock = world.database.with_name("batchwire.db.lock")
    lock.unlink()
    await until(lock.exists)
    code, said = await world.command("serve", "--until-idle")
    assert code == ExitCode.STORE
    assert "another engine works on it already" in said
    await completed(watch, provider)


async def test_without_the_engine_a_service_ends_too_where_its_file_is_replaced(
    world: World, watch: Watch
) -> None:
    await watch.take(numbers(5), provider="acme")
    service = await world.engine("--roles", "consumer,relay")
    await until(lambda: "Ctrl-C drains" in service.said)
    await asyncio.sleep(0.5)
    _restore(world.database)
    assert await service.ended() == ExitCode.STORE
    assert "was moved, deleted or replaced while it was in use" in service.said


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
