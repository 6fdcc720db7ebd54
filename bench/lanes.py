"""Lanes: how near eight processors come to their ceiling, and whether order holds."""

import asyncio
from collections import defaultdict
from pathlib import Path

import uvloop

from batchwire.events.arrivals import Received
from batchwire.messages.requests import BatchStatusUpdateRequest
from batchwire.ports.inbox import Effect, Handled
from bench import topics
from bench.consuming import PROCESSORS, consume_s
from bench.figure import Figure
from bench.scratch import fresh

_EVENTS = 8_000
_KEYS = 200
_WORK_S = 0.005
_AT_LEAST = 0.9


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Handle events of 200 keys, 5 ms each, with eight processors."""
    count = int(_EVENTS * scale)
    ceiling = PROCESSORS / _WORK_S
    with topics.broker(scratch) as brokers:
        topic = topics.topic(brokers)
        topics.fill(brokers, topic, topics.updates(count, _KEYS))
        rates = sorted(
            count / uvloop.run(_work_s(scratch, brokers, topic, count))
            for _ in range(runs)
        )
    rate = rates[len(rates) // 2]
    return [
        Figure(
            bench="lanes",
            case=f"{_KEYS} keys, {PROCESSORS} processors x 5 ms, in order",
            value=round(rate),
            unit="events/s",
            floor=round(ceiling),
            ratio=round(rate / ceiling, 3),
            at_least=_AT_LEAST,
            runs=runs,
        )
    ]


async def _work_s(scratch: Path, brokers: str, topic: str, count: int) -> float:
    """Consume with 5 ms of work an event; an event out of order ends the bench."""
    last: defaultdict[str, int] = defaultdict(lambda: -1)

    async def work(received: Received) -> Effect:
        await asyncio.sleep(_WORK_S)
        message = received.decoded and received.decoded.message
        if isinstance(message, BatchStatusUpdateRequest):
            if message.processed <= last[message.batch_id]:
                problem = f"event {message.processed} of {message.batch_id} came late"
                raise RuntimeError(problem)
            last[message.batch_id] = message.processed
        return Handled()

    return await consume_s(fresh(scratch / "ours.db"), brokers, topic, count, work)
