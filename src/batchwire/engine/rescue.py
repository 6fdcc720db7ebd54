"""
Rescue: what a worker left behind that was killed.

Everything it had not intended is safe to send. What it had intended and has no answer
is uncertain: by the batch's policy it is held, sent again under the same idempotency
key, or given up. Nothing is ever decided by age.
"""

from functools import partial

import structlog

from batchwire.domain import operations
from batchwire.domain.batch import Batch, OnUncertain
from batchwire.domain.counts import count
from batchwire.domain.ledger import segment
from batchwire.domain.lifecycle import Status
from batchwire.domain.operations import Change
from batchwire.domain.outcome import Outcome, Verdict
from batchwire.ports.clock import Clock
from batchwire.ports.store import Chunk, Rewrite, Store

_MAY_HOLD_LEASES = (
    Status.DELIVERY_READY,
    Status.DELIVERY_RUNNING,
    Status.DELIVERY_PAUSED,
    Status.ABORTED,
    Status.EXPIRED,
)

log = structlog.get_logger()


async def rescue(store: Store, clock: Clock) -> None:
    """Take every lease back; only for the one engine, before it starts to work."""
    at_ms = int(clock.now().timestamp() * 1000)
    for batch in await store.batches(_MAY_HOLD_LEASES):
        batch_id = batch.spec.batch_id
        rewrites, lost = [], 0
        async for chunk in store.chunks(batch_id, is_leased=True):
            unanswered = chunk.state.unanswered(chunk.fence, chunk.intent)
            rewrites.append(_taken_back(batch, chunk, unanswered, at_ms))
            lost += len(unanswered)
        if not rewrites:
            continue
        policy = batch.spec.on_uncertain
        note = operations.note("recovered", unanswered=lost, on_uncertain=policy)
        change = Change(facts=(note,))
        await store.change(batch_id, partial(_as_is, change), rewrites=rewrites)
        log.warning("recovered", batch_id=batch_id, count=lost, policy=policy)


def _as_is(change: Change, _: Batch) -> Change:
    return change


def _taken_back(
    batch: Batch, chunk: Chunk, unanswered: list[int], at_ms: int
) -> Rewrite:
    outcome = _outcome(batch, chunk)
    segments = []
    if unanswered and outcome is not Outcome.OPEN:
        attempts = chunk.state.next_attempt
        code = (Verdict.UNCERTAIN.value, "crash")
        segments = [
            segment(
                at_ms,
                chunk.fence,
                [(p, outcome, attempts(p)) for p in unanswered],
                dict.fromkeys(unanswered, code),
            )
        ]
    outcomes = bytearray(chunk.state.outcomes())
    for place in unanswered if segments else ():
        outcomes[place] = outcome
    return Rewrite(
        number=chunk.number,
        segments=tuple(segments),
        counts=count(outcomes),
        closed_as=chunk.state.closed_as,
    )


def _outcome(batch: Batch, chunk: Chunk) -> Outcome:
    if batch.spec.on_uncertain is OnUncertain.DROP:
        return Outcome.FAILED
    can_resend = chunk.state.closed_as is None
    if batch.spec.on_uncertain is OnUncertain.RESEND and can_resend:
        return Outcome.OPEN
    return Outcome.UNCERTAIN
