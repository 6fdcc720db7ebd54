"""The broker's jars: fetched once by Maven, kept in a cache outside the checkout."""

import os
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

from batchwire.testing.kafka.locks import locked
from batchwire.testing.kafka.programs import KafkaUnavailable, program

KAFKA_VERSION = "4.3.0"


def jars() -> Path:
    """
    Give the folder of jars; the first call on a machine fetches them (44 MB, 8 s).

    Several processes may call at once: one fetches, the others wait for it, and the
    folder appears whole or not at all.

    Raises:
        KafkaUnavailable: there is no Maven, or it failed; says how.

    """
    folder = _cache() / f"kafka-{KAFKA_VERSION}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(folder.name + ".lock")):
            if not folder.exists():
                _fetch(folder)
    return folder


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "batchwire"


def _fetch(folder: Path) -> None:
    maven = program("mvn", "Maven, which fetches the broker once")
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        pom = Path(scratch) / "pom.xml"
        pom.write_bytes(files(__package__).joinpath("pom.xml").read_bytes())
        fetched = Path(scratch) / "jars"
        command = [maven, "-B", "-q", "-f", str(pom), "dependency:copy-dependencies"]
        command += [f"-Dkafka.version={KAFKA_VERSION}", f"-DoutputDirectory={fetched}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-1000:]
            message = f"Maven could not fetch Kafka {KAFKA_VERSION}: {said}"
            raise KafkaUnavailable(message)
        fetched.rename(folder)
