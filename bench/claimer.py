"""
A process that claims chunks as an engine does, and says how long each claim took.

A cycle of its own is two flushes: the first gives back the chunk before, all answered,
and claims the next one; the second says that its messages are intended.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import Iterator
from random import random

import msgspec
import uvloop

from batchwire.domain.ledger import segment
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.ports.store import ChunkUpdate, Claim, Flush
from bench.providers import ids
from bench.service import Service, quiet, service

_ALIVE_S = 600.0
_COLD = 3  # the first claims make connection and statements


class Claimer:
    """Claims of each running batch by turns; ``took_s`` is of the claims that got one."""

    def __init__(self, ours: Service) -> None:
        self.owner = uuid.uuid4().hex
        self.took_s: list[float] = []
        self._ours = ours
        self._claims = 0
        self._held: tuple[str, Claim] | None = None

    async def claim_all(self, first: int, interval_s: float) -> None:
        """
        Go round until nothing is left, a cycle every ``interval_s``.

        Who is late does not catch up. ``first`` is the batch to begin with.
        """
        left = await self._ours.store.batches([Status.DELIVERY_RUNNING])
        names = [batch.spec.batch_id for batch in left]
        due_at = time.perf_counter() + random() * interval_s  # noqa: S311 - a phase
        for batch_id in _by_turns(names, first):
            await asyncio.sleep(due_at - time.perf_counter())
            due_at = max(time.perf_counter(), due_at + interval_s)
            if not await self._cycle(batch_id):
                names.remove(batch_id)

    async def _cycle(self, batch_id: str) -> bool:
        """Claim a chunk of the batch; False where there was none."""
        flushes = {batch_id: Flush(batch_id=batch_id, claim=1)}
        if self._held is not None:
            given_back, claim = self._held
            flushes[given_back] = Flush(
                batch_id=given_back,
                updates=(_answered(claim),),
                claim=1 if given_back == batch_id else 0,
            )
        started = time.perf_counter()
        found = await self._ours.store.flush(self.owner, list(flushes.values()))
        took_s = time.perf_counter() - started
        claims = dict(zip(flushes, found, strict=True))[batch_id].claims
        self._held = (batch_id, claims[0]) if claims else None
        if claims:
            self._claims += 1
            if self._claims > _COLD:
                self.took_s.append(took_s)
            intended = Flush(batch_id=batch_id, updates=(_intended(claims[0]),))
            await self._ours.store.flush(self.owner, [intended])
        return bool(claims)


def _by_turns(names: list[str], first: int) -> Iterator[str]:
    """Yield what is still in the list, round and round."""
    place = first
    while names:
        yield names[place % len(names)]
        place += 1


def _answered(claim: Claim) -> ChunkUpdate:
    places = claim.state.open_positions()
    now_ms, entries = (
        int(time.time() * 1000),
        [(p, Outcome.ACCEPTED, 1) for p in places],
    )
    accepted = segment(now_ms, claim.fence, entries)
    return ChunkUpdate(
        number=claim.number,
        fence=claim.fence,
        segments=(msgspec.structs.replace(accepted, ids="\n".join(ids(len(places)))),),
        is_released=True,
    )


def _intended(claim: Claim) -> ChunkUpdate:
    end = len(claim.state.recorded)
    return ChunkUpdate(number=claim.number, fence=claim.fence, intent=end)


async def _claim(url: str, first: int, interval_s: float) -> list[float]:
    """Be ready, wait for a line of standard input, claim all there is."""
    async with service(url) as ours:
        claimer = Claimer(ours)
        await ours.store.become_engine(claimer.owner, _ALIVE_S)
        print("ready", flush=True)  # noqa: T201 - the parent waits for it
        await asyncio.to_thread(sys.stdin.readline)
        await claimer.claim_all(first, interval_s)
        return claimer.took_s


if __name__ == "__main__":
    quiet()
    found = uvloop.run(_claim(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    sys.stdout.buffer.write(msgspec.json.encode(found))
