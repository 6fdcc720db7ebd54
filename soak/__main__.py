"""``python -m soak [--minutes 10] [--engines 3] [--seed N]``: harm, then a verdict."""

import argparse
import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import structlog

from batchwire.domain.lifecycle import Status
from batchwire.errors import BatchError, StoreError
from soak import verdict
from soak.clients import Clients
from soak.faults import Faults
from soak.world import World, world

_ACTIVE = tuple(status for status in Status if not status.has_ended)
_LAST_S = 300.0  # until everything must have ended


def main() -> int:
    """Run; returns the exit code: 0 where nothing was found."""
    asked = _arguments()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    _say(f"seed {asked.seed}, {asked.minutes} minutes, {asked.engines} engines")
    folder = Path(tempfile.mkdtemp(prefix="batchwire-soak-"))
    found = asyncio.run(_soak(asked, folder))
    for flaw in found:
        _say(f"FLAW {flaw}")
    if found:
        _say(f"{len(found)} flaws; what the processes said: {folder / 'log'}")
        return 1
    shutil.rmtree(folder)
    _say("no flaw")
    return 0


async def _soak(asked: argparse.Namespace, folder: Path) -> list[str]:
    chance = Random(asked.seed)  # noqa: S311 - it is to repeat
    async with world(folder, asked.engines) as one:
        faults = Faults(one, Random(chance.random()))  # noqa: S311 - as above
        clients = Clients(one, Random(chance.random()))  # noqa: S311 - as above
        await _harm(faults, clients, asked.minutes * 60)
        _tell(one, faults.done + clients.done)
        took_s = await _come_to_an_end(one, clients)
        _say(f"all ended {took_s:.0f} s after the last fault")
        return await verdict.flaws(one, clients.sizes)


async def _harm(faults: Faults, clients: Clients, duration_s: float) -> None:
    """Let faults and clients work; what breaks in them ends the soak."""
    harm = [asyncio.create_task(faults.run()), asyncio.create_task(clients.run())]
    await asyncio.wait(harm, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
    broken = [task for task in harm if task.done()]
    harm[0].cancel()
    await asyncio.wait(harm[:1])
    await faults.mend()
    if not broken:
        harm[1].cancel()
        await asyncio.wait(harm)
    for task in broken:
        task.result()


async def _come_to_an_end(one: World, clients: Clients) -> float:
    """Resume what is paused until nothing goes on any more, for at most some minutes."""
    began = time.monotonic()
    while time.monotonic() - began < _LAST_S:
        try:
            await clients.resume_all()
            active = await one.app.store.batches(_ACTIVE)
            waiting = (await one.app.events.outbox.depth()).rows
        except (BatchError, StoreError) as error:
            _say(f"not yet: {error}")
            active, waiting = [], 1
        if not active and not waiting:
            break
        _say(f"{len(active)} batches go on, {waiting} records wait")
        await asyncio.sleep(5)
    return time.monotonic() - began


def _tell(one: World, done: Counter[str]) -> None:
    for name, count in sorted(done.items()):
        _say(f"{count:9,} {name}")
    stats = one.provider.stats
    for name in ("accepted", "duplicates", "failed_transient", "resets"):
        _say(f"{getattr(stats, name):9,} at the provider: {name}")
    said = one.log.read_text().splitlines()
    for name in ("worker_died", "recovered", "stale_lease", "worker_lost"):
        count = sum(f'"{name}"' in line for line in said)
        _say(f"{count:9,} logged: {name}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--engines", type=int, default=3)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    sys.exit(main())
