"""
The specification's own scenario on a real Apache Kafka broker, from nothing.

A plain client asks for a batch, pauses it, resumes it; the service is killed with
SIGKILL in between and started again; the plain client prints what came back, and the
ledger closes. ``make demo-kafka`` runs it; Java and Maven are needed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batchwire.testing.kafka.broker import running_broker
from batchwire.testing.kafka.programs import KafkaUnavailable

TOPIC = "sms-batch-events"
BATCH_ID = "batch-67890"
RECIPIENTS = 5_000
CLIENT = Path(__file__).with_name("plain_client.py")
PATIENCE_S = 60.0


class Scene:
    """The processes of the demo, and what they share."""

    def __init__(self, folder: Path, brokers: str) -> None:
        self.brokers = brokers
        self._folder = folder
        self._environment = {**os.environ, "KAFKA_BROKERS": brokers}
        self._started: list[subprocess.Popen[str]] = []

    def batchwire(self, *arguments: str) -> str:
        """Run a command as a user would; returns what it said."""
        print(f"$ batchwire {' '.join(arguments)}", flush=True)
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "batchwire", *arguments],
            cwd=self._folder,
            env=self._environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
        ).stdout

    def start(self, *command: str, is_shown: bool = False) -> subprocess.Popen[str]:
        """Start a program that goes on by itself."""
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, *command],
            cwd=self._folder,
            env=self._environment,
            stdout=None if is_shown else subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._started.append(process)
        return process

    def send(self, message_type: str, message: Mapping[str, Any]) -> None:
        """Have the plain client publish a message."""
        shown = {k: v for k, v in message.items() if k != "recipients"}
        print(f"\nplain client -> {message_type} {json.dumps(shown)}", flush=True)
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, str(CLIENT), self.brokers, TOPIC, "send", message_type],
            input=json.dumps(message),
            check=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def wait_for(self, *statuses: str) -> dict[str, Any]:
        """Wait until the batch is in one of the statuses."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            done = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-m", "batchwire", "show", BATCH_ID, "--json"],
                cwd=self._folder,
                env=self._environment,
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode == 0:
                batch: dict[str, Any] = json.loads(done.stdout)
                if batch["status"] in statuses:
                    return batch
            time.sleep(0.2)
        raise SystemExit(f"the batch did not become {' or '.join(statuses)} in time")

    def end(self) -> None:
        """End every process that is still there."""
        for process in self._started:
            process.kill()
            process.wait()


def main() -> None:
    """Play the scenario in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        print("# a real Apache Kafka broker", flush=True)
        try:
            with running_broker(Path(folder) / "kafka") as broker:
                scene = Scene(Path(folder), broker.address)
                try:
                    play(scene, Path(folder))
                finally:
                    scene.end()
        except KafkaUnavailable as why:
            raise SystemExit(f"demo-kafka: {why}") from None


def play(scene: Scene, folder: Path) -> None:
    """From the topics to the closed ledger."""
    print(scene.batchwire("topics", "create"), end="")
    url = start_provider(scene)
    folder.joinpath("batchwire.yaml").write_text(settings(url))
    service = scene.start("-m", "batchwire", "serve")
    follower = scene.start(
        *(str(CLIENT), scene.brokers, TOPIC, "follow", BATCH_ID), is_shown=True
    )
    scene.send("batch_request", request())
    scene.wait_for("delivery_running")
    time.sleep(2)

    scene.send("batch_operation", operation("pause", "Manual pause by operator"))
    scene.wait_for("delivery_paused")
    print("\nkill -9 of the service, then a new one", flush=True)
    service.kill()
    service.wait()
    scene.start("-m", "batchwire", "serve")
    scene.send("batch_operation", operation("resume", "Go on"))
    batch = scene.wait_for("completed")
    follower.wait(PATIENCE_S)

    print()
    print(scene.batchwire("show", BATCH_ID))
    print(scene.batchwire("verify", BATCH_ID), end="")
    check(batch, stats(url))


def start_provider(scene: Scene) -> str:
    """Start an SMS provider that sends nothing, and counts; returns its URL."""
    options = ("--port", "0", "--latency-ms", "5", "--rate-parts-per-s", "600")
    process = scene.start("-m", "batchwire", "sandbox-provider", *options)
    said = process.stdout.readline() if process.stdout else ""
    return said.split()[-1]


def settings(url: str) -> str:
    """Give the service's settings; the brokers come from KAFKA_BROKERS."""
    return f"""\
providers:
  sandbox-http:
    kind: http
    url: {url}/messages
    body: {{to: "<to>", text: "<text>"}}
    answer: {{message_id: id, error_code: [code]}}
    idempotency_header: Idempotency-Key
    rate_parts_per_s: 600
"""


def request() -> dict[str, Any]:
    """Give the specification's request, with more recipients."""
    return {
        "request_id": "req-12345",
        "batch_id": BATCH_ID,
        "user_id": "user-123",
        "batch_type": "sms",
        "message_type": "template",
        "recipients": [
            f"+49151{n:08d}" for n in range(10_000_000, 10_000_000 + RECIPIENTS)
        ],
        "template": "Hello {{name}}, your code is {{code}}",
        "params": {"name": "John", "code": "123456"},
        "priority": 5,
        "max_retries": 3,
        "timeout": 300,
        "created_at": now(),
    }


def operation(name: str, reason: str) -> dict[str, Any]:
    """Give an operation as the specification has it; each with its own request_id."""
    return {
        "request_id": f"req-12345-{name}",
        "batch_id": BATCH_ID,
        "operation": name,
        "phase": "delivery",
        "reason": reason,
        "operator_id": "admin-123",
        "requested_at": now(),
    }


def now() -> str:
    """Give the time as Go and the specification write it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def stats(url: str) -> dict[str, Any]:
    """Ask the provider what it counted."""
    with urllib.request.urlopen(f"{url}/stats", timeout=10) as answer:  # noqa: S310 - loopback
        counted: dict[str, Any] = json.load(answer)
    return counted


def check(batch: Mapping[str, Any], counted: Mapping[str, Any]) -> None:
    """Hold our ledger against what the provider counted."""
    counts = batch["counts"]
    twice = counted["repeated_recipients"]
    told = f"{counts['accepted']:,} accepted, {counts['uncertain']:,} uncertain"
    print(f"ledger: {told}; provider: {counted['accepted']:,} accepted, {twice} twice")
    is_closed = sum(counts.values()) == RECIPIENTS and not counts["open"]
    if not is_closed or twice:
        raise SystemExit("the numbers do not add up")
    print("the ledger is closed")


if __name__ == "__main__":
    main()
