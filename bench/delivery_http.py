"""Delivery over HTTP to the sandbox server, durable, beside a bare client."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import uvloop

from batchwire.adapters.http.provider import HttpProvider
from batchwire.adapters.http.settings import HttpSettings
from bench import lists
from bench.compare import compare
from bench.figure import Figure
from bench.floor_http import client_s, connections_s, server_per_s
from bench.providers import Stopwatch
from bench.sandbox_server import server
from bench.scratch import fresh
from bench.service import delivery_s, prepared

_NAME = "delivery-http"
_RECIPIENTS = 100_000
_AT_LEAST = 0.8
_CASES = ((0, 32), (20, 512))  # latency in milliseconds, concurrency


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Prepare one file; deliver copies of it. The list's parameters are all its own."""
    path = lists.plain(scratch / "list.csv", int(_RECIPIENTS * scale))
    origin = scratch / "prepared.db"
    uvloop.run(prepared(origin, path))
    figures = [
        figure
        for latency_ms, concurrency in _CASES
        for figure in _case(origin, path, latency_ms, concurrency, runs)
    ]
    return [*figures, _server(path)]


def _case(
    origin: Path, path: Path, latency_ms: int, concurrency: int, runs: int
) -> Iterator[Figure]:
    """Deliver beside the bare client, which is the promise, and our connections alone."""
    size = sum(1 for _ in lists.rows(path))
    with server(latency_ms) as url:
        settings = _settings(url, concurrency)

        def ours() -> float:
            copy = Path(shutil.copy(origin, fresh(origin.with_name("ours.db"))))
            provider = HttpProvider("bench", settings, {})
            return uvloop.run(delivery_s(copy, Stopwatch(provider)))

        def bare() -> float:
            return uvloop.run(client_s(url, path, concurrency))

        def connections() -> float:
            return uvloop.run(connections_s(settings, path))

        for beside, floor, at_least in (
            ("", bare, _AT_LEAST),
            (", beside our connections alone", connections, None),
        ):
            found = compare(runs, ours, floor)
            yield Figure(
                bench=_NAME,
                case=f"{size:,} at {latency_ms} ms, {concurrency} at once{beside}",
                value=round(size / found.ours_s),
                unit="messages/s",
                floor=round(size / found.floor_s),
                ratio=round(found.ratio, 3),
                at_least=at_least,
                runs=runs,
            )


def _server(path: Path) -> Figure:
    """Measure the server alone, to see that it limits neither of the two."""
    with server(0) as url:
        rate = server_per_s(url, path)
    return Figure(
        bench=_NAME,
        case="the server alone, requests pipelined",
        value=round(rate),
        unit="requests/s",
        runs=1,
    )


def _settings(url: str, concurrency: int) -> HttpSettings:
    return HttpSettings.model_validate(
        {
            "url": f"{url}/messages",
            "body": {"to": "<to>", "text": "<text>", "key": "<key>"},
            "answer": {"message_id": "id"},
            "concurrency": concurrency,
        }
    )
