"""
What a host pays for a call of ``BatchEventIntegration``, broker up and away.

Wall-clock time of single calls. ``back to back`` is a loop that does nothing else;
``every ms`` a host that waits between its calls, as one does that serves requests: it
finds cold caches, and the thread that sends at work. The floor, in turns with ours, is
what nobody can leave out whose kill may lose nothing: one ``write`` of as many bytes.
"""

import os
import time
from collections.abc import Callable, Sequence
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
_FRAME = bytes(90)  # as many bytes as ours of these calls
_NOBODY = "127.0.0.1:9"
_PAUSES_S = {"back to back": 0.0, "every ms": 0.001}


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Make the calls of a batch that reports its progress."""
    calls = max(100, int(_CALLS * scale))
    with topics.broker(scratch) as brokers:
        name = topics.topic(brokers)
        bare = os.open(scratch / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        return [
            *_figures("up", _host(brokers, name, scratch / "up"), bare, calls, runs),
            *_figures(
                "away", _host(_NOBODY, name, scratch / "away"), bare, calls, runs
            ),
        ]


def _host(brokers: str, topic: str, spool: Path) -> BatchEventIntegration:
    producer = ProducerSettings(connection=topics.connection(brokers))
    settings = IntegrationSettings(
        producer=producer, source="/bench", topic=topic, spool=spool
    )
    return integrated(settings)


def _figures(
    broker: str, events: BatchEventIntegration, bare: int, calls: int, runs: int
) -> list[Figure]:
    def ours(number: int) -> None:
        events.on_sms_batch_status_changed(
            "batch-1", "delivery_running", "delivery", 0.5, number, number, 0, ""
        )

    def floor(_: int) -> None:
        os.write(bare, _FRAME)

    figures = []
    _calls_us(ours, _WARM, 0)
    for name, pause_s in _PAUSES_S.items():
        taken, floors = [], []
        for _ in range(runs):
            taken.append(_calls_us(ours, calls, pause_s))
            floors.append(_calls_us(floor, calls, pause_s))
        for share, promise in ((50, None), (99, _AT_MOST_US)):
            figures.append(
                Figure(
                    bench="publish",
                    case=f"p{share} of a call, {name}, broker {broker}",
                    value=_median_us(taken, share),
                    unit="us",
                    floor=_median_us(floors, share),
                    at_most=promise,
                    runs=runs,
                )
            )
    events.close(5.0)
    return figures


def _calls_us(call: Callable[[int], None], calls: int, pause_s: float) -> list[float]:
    taken = []
    for number in range(calls):
        started = time.perf_counter_ns()
        call(number)
        taken.append((time.perf_counter_ns() - started) / 1000)
        if pause_s:
            time.sleep(pause_s)
    return sorted(taken)


def _median_us(taken: Sequence[Sequence[float]], share: int) -> float:
    return round(median(_quantile(one, share) for one in taken), 1)


def _quantile(ascending: Sequence[float], share: int) -> float:
    """Return the value that ``share`` percent do not exceed."""
    return ascending[-(-len(ascending) * share // 100) - 1]
