"""
Rescue: what a worker left behind that was killed.

Everything it had not intended is safe to send. What it had intended and has no answer
is uncertain: by the batch's policy it is held, sent again under the same idempotency
key, or given up. Who is to be sent again is noted as a crash's: where the batch ends
before, that recipient is uncertain. Any engine may do it: a lease is ended once, whoever
comes first.
"""

from functools import partial

import structlog

from batchwire.domain import operations
from batchwire.domain.batch import Batch, OnUncertain
from batchwire.domain.counts import count
from batchwire.domain.ledger import REPEAT, segment
from batchwire.domain.operations import Change
from batchwire.domain.outcome import Outcome, Verdict
from batchwire.errors import StaleBatch
from batchwire.ports.clock import Clock
from batchwire.ports.store import Chunk, Rewrite, Store

log = structlog.get_logger()


async def rescue(store: Store, clock: Clock) -> None:
    """Find out who is dead, and take every lease of theirs back."""
    at_ms = clock.unix_us() // 1000
    for batch_id in await store.bury():
        try:
            await _rescue(store, batch_id, at_ms)
        except StaleBatch:  # of others; what is left then is found next time
            log.info("rescued_by_another", batch_id=batch_id)


async def _rescue(store: Store, batch_id: str, at_ms: int) -> None:
    batch = await store.batch(batch_id)
    rewrites, lost = [], 0
    async for chunk in store.lost_chunks(batch_id):
        unanswered = chunk.state.unanswered(chunk.fence, chunk.intent)
        rewrites.append(_taken_back(batch, chunk, unanswered, at_ms))
        lost += len(unanswered)
    if not rewrites:
        return
    policy = batch.spec.on_uncertain
    decide = partial(_recovered, batch, lost)
    await store.change(batch_id, decide, rewrites=rewrites)
    log.warning("recovered", batch_id=batch_id, count=lost, policy=policy)


def _recovered(before: Batch, lost: int, batch: Batch) -> Change:
    """Tell it; whose batch was stopped has escaped, as far as anybody knows."""
    if batch.state.status is not before.state.status:  # an abort closed the chunks
        raise StaleBatch(before.spec.batch_id, "was changed meanwhile")
    policy = batch.spec.on_uncertain
    note = operations.note("recovered", unanswered=lost, on_uncertain=policy)
    if lost and batch.state.status in operations.STOPPED:
        return Change(facts=(note, *operations.settle(batch, lost).facts))
    return Change(facts=(note,))


def _taken_back(
    batch: Batch, chunk: Chunk, unanswered: list[int], at_ms: int
) -> Rewrite:
    outcome = _outcome(batch, chunk)
    repeat = REPEAT if outcome is Outcome.OPEN else 0
    segments = []
    if unanswered:
        attempts = chunk.state.next_attempt
        code = (Verdict.UNCERTAIN.value, "crash")
        segments = [
            segment(
                at_ms,
                chunk.fence,
                [(p, outcome, attempts(p) | repeat) for p in unanswered],
                dict.fromkeys(unanswered, code),
            )
        ]
    outcomes = bytearray(chunk.state.outcomes())
    for place in unanswered:
        outcomes[place] = outcome
    return Rewrite(
        number=chunk.number,
        segments=tuple(segments),
        counts=count(outcomes),
        closed_as=chunk.state.closed_as,
        fence=chunk.fence,
    )


def _outcome(batch: Batch, chunk: Chunk) -> Outcome:
    if batch.spec.on_uncertain is OnUncertain.DROP:
        return Outcome.FAILED
    can_resend = chunk.state.closed_as is None
    if batch.spec.on_uncertain is OnUncertain.RESEND and can_resend:
        return Outcome.OPEN
    return Outcome.UNCERTAIN
