"""The jars are fetched once on a machine, whole, whoever asks at the same time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from batchwire.testing.kafka import KafkaUnavailable
from batchwire.testing.kafka.fixtures import or_skip
from batchwire.testing.kafka.jars import jars

# A Maven that takes its time, and writes down that it was called.
MAVEN = """#!/bin/sh
echo called >> "$CALLS"
for argument; do case $argument in -DoutputDirectory=*) out=${argument#*=};; esac; done
mkdir "$out"; sleep 0.3; echo jar > "$out/kafka.jar"
exit "${MAVEN_EXIT:-0}"
"""
ASK = "from batchwire.testing.kafka.jars import jars; print(*jars().iterdir())"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a machine with an empty cache and that Maven."""
    maven = tmp_path / "mvn"
    maven.write_text(MAVEN)
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path


def test_two_processes_at_once_fetch_once(machine: Path) -> None:
    ask = [sys.executable, "-c", ASK]
    asking = [subprocess.Popen(ask, stdout=subprocess.PIPE) for _ in range(3)]  # noqa: S603 - ours
    answers = {one.communicate()[0].decode().strip() for one in asking}
    (path,) = answers
    assert Path(path).name == "kafka.jar"
    assert (machine / "calls").read_text() == "called\n"


def test_a_fetch_that_fails_leaves_nothing_and_is_tried_again(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAVEN_EXIT", "1")
    for _ in range(2):
        with pytest.raises(KafkaUnavailable, match="Maven could not fetch Kafka"):
            jars()
    assert (machine / "calls").read_text() == "called\ncalled\n"


def test_without_maven_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(KafkaUnavailable, match="there is no `mvn` in the PATH"):
        jars()


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_a_missing_broker_skips_on_a_laptop_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no java"), or_skip():
        raise KafkaUnavailable("no java")
