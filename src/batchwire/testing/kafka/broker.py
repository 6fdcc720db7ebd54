"""One node: start, stop, kill, freeze, start again on the same ports and data."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals
from uuid import uuid4

from batchwire.testing.kafka.jars import jars
from batchwire.testing.kafka.ports import free_ports
from batchwire.testing.kafka.process import KeptProcess
from batchwire.testing.kafka.programs import java
from batchwire.testing.kafka.properties import Node, server_properties

START_TIMEOUT_S = 60.0
_STARTED = "Kafka Server started"
_JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


class BrokerDidNotStart(Exception):
    """A broker ended or was silent while it started; its last words are quoted."""


class Broker:
    """
    One node in a folder of its own: properties, data, log.

    ``address`` is its plain listener, for ``bootstrap.servers``. What is called while
    it does not run does nothing, so that any order of calls is safe.
    """

    def __init__(self, node: Node, folder: Path, *, heap_mb: int = 384) -> None:
        self.node = node
        self.folder = folder
        self.address = f"127.0.0.1:{node.port}"
        self._command = [java(), f"-Xmx{heap_mb}m", *_JVM, "-cp", f"{jars()}/*"]
        self._process: KeptProcess | None = None

    @property
    def log(self) -> Path:
        """What it said since its last start."""
        return self.folder / "broker.log"

    @property
    def is_running(self) -> bool:
        """Whether its process lives, frozen or not."""
        return self._process is not None and self._process.is_running

    def format(self, cluster_id: str, arguments: Sequence[str] = ()) -> None:
        """Make its folder of data, once; ``arguments`` are StorageTool's."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = server_properties(self.node, self.folder / "data")
        self._properties.write_text(text)
        given = ["-t", cluster_id, "-c", str(self._properties), *arguments]
        tool = [*self._command, "kafka.tools.StorageTool", "format", *given]
        done = subprocess.run(tool, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
        if done.returncode:
            raise BrokerDidNotStart(done.stdout + done.stderr)

    def launch(self) -> None:
        """Start the process and do not wait for it."""
        if not self.is_running:
            command = [*self._command, "kafka.Kafka", str(self._properties)]
            self._process = KeptProcess(command, self.folder / "users", self.log)

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """
        Wait until it serves: it has joined the cluster and opened its listeners.

        Raises:
            BrokerDidNotStart: it ended, or it took too long.

        """
        deadline = time.monotonic() + timeout_s
        while _STARTED not in self.log.read_text(errors="replace"):
            if not self.is_running or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-3000:]
                raise BrokerDidNotStart(said)
            time.sleep(0.05)

    def start(self) -> None:
        """Start and wait; with the same ports and data as before."""
        self.launch()
        self.wait()

    def stop(self) -> None:
        """End it in good order."""
        self._end(SIGTERM)

    def kill(self) -> None:
        """End it by SIGKILL: nothing is flushed, no leader is handed over."""
        self._end(SIGKILL)

    def leave(self) -> None:
        """Stop using it, and wait until its other users have left too."""
        if self._process is not None:
            self._process.left()

    def freeze(self) -> None:
        """Stop it by SIGSTOP: connections stay open and nothing answers."""
        self._signal(SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(SIGCONT)

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _end(self, number: Signals) -> None:
        if self._process is not None:
            self._process.send(SIGCONT)
            self._process.ended(number)

    def _signal(self, number: Signals) -> None:
        if self._process is not None:
            self._process.send(number)


@contextmanager
def running_broker(
    folder: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Broker]:
    """
    Give one broker that serves; it is killed at the end.

    It lives in ``folder``, which stays, or in a temporary one. ``settings`` are lines of
    ``server.properties``.

    Raises:
        KafkaUnavailable: this machine has no Java or cannot fetch Kafka.
        BrokerDidNotStart: it did not.

    """
    with tempfile.TemporaryDirectory(prefix="batchwire-kafka-") as scratch:
        broker = new_broker(folder or Path(scratch), settings)
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()


def new_broker(folder: Path, settings: Mapping[str, str] | None = None) -> Broker:
    """Make a cluster of one node; it does not run yet."""
    port, controller = free_ports(2)
    node = Node(port=port, voters={1: controller}, settings=settings or {})
    broker = Broker(node, folder)
    broker.format(cluster_id())
    return broker


def cluster_id() -> str:
    """Make a name for a new cluster."""
    return uuid4().hex[:22]
