"""From a batch_request on the topic to its first delivery_running there."""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer

from bench import topics
from bench.figure import Figure

_REQUESTS = 100
_GAP_S = 0.1
_PATIENCE_S = 60.0


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Ask a running service for batches, ten a second; the requests are the runs."""
    del runs
    count = max(5, int(_REQUESTS * scale))
    with topics.broker(scratch) as brokers:
        topic = topics.topic(brokers)
        environment = {**os.environ, "KAFKA_BROKERS": brokers, "KAFKA_TOPIC": topic}
        command = [sys.executable, "-m", "batchwire", "serve"]
        with subprocess.Popen(  # noqa: S603 - our own program
            command, cwd=scratch, env=environment, stderr=subprocess.DEVNULL
        ) as service:
            try:
                waits = sorted(_waits_ms(brokers, topic, count))
            finally:
                service.terminate()
    return [
        Figure(
            bench="end-to-end",
            case=f"batch_request to delivery_running, {name}",
            value=round(waits[min(len(waits) - 1, int(len(waits) * share))]),
            unit="ms",
            runs=len(waits),
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def _waits_ms(brokers: str, topic: str, count: int) -> list[float]:
    """Publish requests; milliseconds from each until its update was received."""
    consumer = topics.bare_consumer(brokers, topic)
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0})
    asked, waits = dict[str, float](), list[float]()
    _warm_up(producer, consumer, topic)
    next_at, until = time.monotonic(), time.monotonic() + _PATIENCE_S
    while len(waits) < count and time.monotonic() < until:
        if len(asked) < count and time.monotonic() >= next_at:
            batch_id = uuid.uuid4().hex
            asked[batch_id] = time.monotonic()
            _ask(producer, topic, batch_id)
            next_at += _GAP_S
        batch_id = _running(consumer.poll(0.001))
        if batch_id in asked:
            waits.append((time.monotonic() - asked[batch_id]) * 1000)
    consumer.close()
    if len(waits) < count:
        problem = f"only {len(waits)} of {count} batches ran within {_PATIENCE_S} s"
        raise RuntimeError(problem)
    return waits


def _warm_up(producer: Producer, consumer: Consumer, topic: str) -> None:
    """Wait until the service and the consumer have joined their groups."""
    _ask(producer, topic, "warm-up")
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if _running(consumer.poll(0.1)) == "warm-up":
            return
    raise RuntimeError("the service did not answer")


def _ask(producer: Producer, topic: str, batch_id: str) -> None:
    message = {
        "request_id": f"ask-{batch_id}",
        "batch_id": batch_id,
        "batch_type": "sms",
        "recipients": ["+4915112345601"],
        "template": "Hello",
    }
    producer.produce(
        topic,
        json.dumps(message),
        batch_id,
        headers={"message_type": "batch_request"},
    )
    producer.flush(_PATIENCE_S)


def _running(record: Any) -> str:  # noqa: ANN401 - confluent-kafka's
    """Give the batch that a record says is running; empty where it says nothing so."""
    if record is None or record.error():
        return ""
    headers = dict(record.headers() or [])
    is_running = headers.get("status") == b"delivery_running"
    return record.key().decode() if is_running else ""
