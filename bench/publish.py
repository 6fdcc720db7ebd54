"""
What a host pays for a call of ``BatchEventIntegration``, broker up and away.

Wall-clock time of single calls. ``back to back`` is a loop that does nothing else;
``every ms`` a host that waits between its calls, as one does that serves requests: it
finds cold caches, and the thread that sends at work.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from batchwire.adapters.kafka.writing import ProducerSettings
from batchwire.integration import (
    BatchEventIntegration,
    IntegrationSettings,
    integrated,
)
from bench import topics
from bench.figure import Figure

_CALLS = 2_000
_AT_MOST_US = 50.0
_WARM = 100
_NOBODY = "127.0.0.1:9"
_PAUSES_S = {"back to back": 0.0, "every ms": 0.001}


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Make the calls of a batch that reports its progress."""
    calls = max(100, int(_CALLS * scale))
    with topics.broker(scratch) as brokers:
        name = topics.topic(brokers)
        return [
            *_figures("up", _host(brokers, name, scratch / "up"), calls, runs),
            *_figures("away", _host(_NOBODY, name, scratch / "away"), calls, runs),
        ]


def _host(brokers: str, topic: str, spool: Path) -> BatchEventIntegration:
    producer = ProducerSettings(connection=topics.connection(brokers))
    settings = IntegrationSettings(
        producer=producer, source="/bench", topic=topic, spool=spool
    )
    return integrated(settings)


def _figures(
    broker: str, events: BatchEventIntegration, calls: int, runs: int
) -> list[Figure]:
    figures = []
    _calls_us(events, _WARM, 0)
    for name, pause_s in _PAUSES_S.items():
        taken = [_calls_us(events, calls, pause_s) for _ in range(runs)]
        for share, promise in ((50, None), (99, _AT_MOST_US)):
            figures.append(
                Figure(
                    bench="publish",
                    case=f"p{share} of a call, {name}, broker {broker}",
                    value=round(median(_quantile(one, share) for one in taken), 1),
                    unit="us",
                    at_most=promise,
                    runs=runs,
                )
            )
    events.close(5.0)
    return figures


def _calls_us(events: BatchEventIntegration, calls: int, pause_s: float) -> list[float]:
    taken = []
    for number in range(calls):
        started = time.perf_counter_ns()
        events.on_sms_batch_status_changed(
            "batch-1", "delivery_running", "delivery", 0.5, number, number, 0, ""
        )
        taken.append((time.perf_counter_ns() - started) / 1000)
        if pause_s:
            time.sleep(pause_s)
    return sorted(taken)


def _quantile(ascending: Sequence[float], share: int) -> float:
    """Return the value that ``share`` percent do not exceed."""
    return ascending[-(-len(ascending) * share // 100) - 1]
