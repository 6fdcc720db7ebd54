"""``batchwire topics``, on a real broker."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from uuid import uuid4

import pytest

from batchwire.cli.exit_codes import ExitCode

Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def topic(kafka: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name a topic that does not exist, on the broker of the settings."""
    name = f"events-{uuid4().hex}"
    monkeypatch.setenv("KAFKA_BROKERS", kafka)
    monkeypatch.setenv("KAFKA_TOPIC", name)
    return name


def test_topics_are_created_as_asked_and_then_agree(cli: Cli, topic: str) -> None:
    missing = cli("topics", "check")
    assert missing.returncode == ExitCode.BROKER
    assert "missing" in missing.stdout
    created = cli("topics", "create", "--partitions", 3, "--retention-days", 2)
    assert (created.returncode, created.stderr) == (ExitCode.OK, "")
    assert created.stdout == f"{topic}: created\n{topic}.dlq: created\n"
    agreed = cli("topics", "check", "--partitions", 3, "--retention-days", 2)
    assert (agreed.returncode, agreed.stdout) == (0, "the topics are as asked\n")


def test_what_differs_is_told_and_left_as_it_is(cli: Cli, topic: str) -> None:
    cli("topics", "create", "--partitions", 3)
    again = cli("topics", "create", "--partitions", 4, "--json")
    assert again.returncode == ExitCode.BROKER
    difference = {
        "topic": topic,
        "setting": "partitions",
        "wanted": "4",
        "found": "3",
    }
    assert json.loads(again.stdout) == {"created": [], "differences": [difference]}


def test_copies_that_the_cluster_cannot_hold_are_refused(cli: Cli, topic: str) -> None:
    refused = cli("topics", "create", "--replication", 9)
    assert refused.returncode == ExitCode.BROKER
    assert topic in refused.stderr
    assert "replication factor" in refused.stderr


def test_without_brokers_the_setting_is_named(cli: Cli) -> None:
    for command in (("topics", "check"), ("topics", "create"), ("doctor",)):
        refused = cli(*command)
        assert refused.returncode == ExitCode.SETTINGS
        assert "batch_events.kafka.brokers" in refused.stderr
