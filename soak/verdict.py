"""The verdict: what of each batch, and of the provider's count, is not as promised."""

from itertools import pairwise

import msgspec

from batchwire.domain.batch import Batch, OnUncertain
from batchwire.domain.events import EventType, fold
from batchwire.domain.ledger import unpack_payload
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from soak.world import World

_SENT = frozenset({Outcome.ACCEPTED})
_NEVER_SENT = frozenset({Outcome.ABORTED, Outcome.EXPIRED})


async def flaws(world: World, sizes: dict[str, int]) -> list[str]:
    """Say what is wrong, a sentence each; empty is good."""
    stats = world.provider.stats.recipients
    accepted = {} if stats is msgspec.UNSET else stats
    found: list[str] = []
    for batch_id, size in sizes.items():
        batch = await world.app.store.batch(batch_id)
        problems = [
            *await world.app.store.verify(batch_id),
            *_of_ledger(batch, size),
            *await _of_events(world, batch),
            *await _of_recipients(world, batch, accepted),
        ]
        found += [f"{batch_id}: {problem}" for problem in problems]
    waiting = (await world.app.events.outbox.depth()).rows
    if waiting:
        found.append(f"{waiting} records wait in the outbox")
    return found


def _of_ledger(batch: Batch, size: int) -> list[str]:
    found = []
    if not batch.state.status.has_ended:
        found.append(f"it did not end: {batch.state.status} ({batch.state.reason})")
    if sum(batch.counts) != size and batch.state.status is not Status.ABORTED:
        found.append(f"{size} recipients, but the counts are {batch.counts}")
    if min(batch.counts) < 0 or batch.open_recipients:
        found.append(f"the ledger is not closed: {batch.counts}")
    return found


async def _of_events(world: World, batch: Batch) -> list[str]:
    batch_id, found = batch.spec.batch_id, []
    events = [event async for event in world.app.store.replay(batch_id)]
    if [e.sequence for e in events] != list(range(1, len(events) + 1)):
        found.append("its events are not numbered without gap")
    if fold(events).encode() != batch.state.encode():
        found.append("folding its events does not give its state")
    moves = [
        e.data for e in events if e.type is EventType.STATUS and "status" in e.data
    ]
    for before, after in pairwise(moves):
        if before["status"] != after["from"]:
            found.append(f"it moved from {after['from']}, where it was not")
    ends = sum(Status(move["status"]).has_ended for move in moves)
    again = sum(Status(m["from"]).has_ended for m in moves if m.get("from"))
    if ends != again + 1:
        found.append(f"it ended {ends} times, and was taken up again {again} times")
    return found


async def _of_recipients(
    world: World, batch: Batch, accepted: dict[str, int]
) -> list[str]:
    """Compare the ledger with what the provider counted, number by number."""
    found = []
    is_keyed = batch.spec.on_uncertain is OnUncertain.RESEND
    async for chunk in world.app.store.chunks(batch.spec.batch_id):
        numbers = unpack_payload(chunk.payload).numbers.split("\n")
        for to, value in zip(numbers, chunk.state.outcomes(), strict=True):
            outcome, count = Outcome(value), accepted.get(to, 0)
            if count > 1:
                key = "its key was honoured" if is_keyed else "it has no key"
                found.append(f"{to} was accepted {count} times; {key}")
            if outcome in _SENT and not count:
                found.append(f"{to} is accepted here, and unknown to the provider")
            if outcome in _NEVER_SENT and count:
                found.append(f"{to} is {outcome.name.lower()} here, and was accepted")
    return found[:5]
