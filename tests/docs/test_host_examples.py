"""The hosts of ``examples/host`` report on a real broker."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from batchwire.testing.kafka.plain import read

HOSTS = Path(__file__).parents[2] / "examples" / "host"
NUMBERS = ["+4915112345678", "+4915112345679"]


def environment(kafka: str, topic: str) -> dict[str, str]:
    """Give what a host finds in its environment."""
    clean = {k: v for k, v in os.environ.items() if "BATCHWIRE" not in k}
    return {**clean, "KAFKA_BROKERS": kafka, "KAFKA_TOPIC": topic}


def test_the_web_host_reports_from_its_requests(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    with subprocess.Popen(  # noqa: S603 our own program
        [sys.executable, str(HOSTS / "web.py"), "0"],
        cwd=tmp_path,
        env=environment(kafka, topic),
        stdout=subprocess.PIPE,
        text=True,
    ) as web:
        try:
            assert web.stdout is not None
            url = web.stdout.readline().strip()
            created = posted(f"{url}/batches", json.dumps(NUMBERS))
            paused = posted(f"{url}/batches/{created['id']}/pause")
            bodies = [json.loads(one) for one in read(kafka, topic, 3)]
        finally:
            web.kill()

    assert paused["status"] == "delivery_paused"
    assert bodies[0]["recipients"] == NUMBERS
    assert bodies[1]["operation"] == "pause"
    assert bodies[2]["status"] == "delivery_paused"


def test_the_asyncio_host_reports_its_batch_to_the_end(
    kafka: str, topic: str, tmp_path: Path
) -> None:
    said = subprocess.run(  # noqa: S603 our own program
        [sys.executable, str(HOSTS / "worker.py")],
        cwd=tmp_path,
        env=environment(kafka, topic),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    ).stdout
    bodies = [json.loads(one) for one in read(kafka, topic, 5)]

    assert "kept=5, failed=0, published=5, waiting=0" in said
    assert [one["processed"] for one in bodies[1:]] == [1, 2, 3, 3]
    assert (bodies[-1]["status"], bodies[-1]["failed"]) == ("completed", 1)


def posted(url: str, body: str = "") -> Any:  # noqa: ANN401 JSON
    """Post, and return the answer."""
    with urlopen(url, data=body.encode(), timeout=10) as answer:  # noqa: S310 ours
        return json.loads(answer.read())
