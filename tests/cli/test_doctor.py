"""``batchwire doctor``, on a real broker."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from uuid import uuid4

import pytest

from batchwire.cli.exit_codes import ExitCode
from batchwire.testing.kafka import SecureBroker
from batchwire.testing.kafka.plain import send

Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.timeout(120)


def test_a_missing_topic_then_nothing_then_a_backlog(
    cli: Cli, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"events-{uuid4().hex}"
    monkeypatch.setenv("KAFKA_BROKERS", kafka)
    monkeypatch.setenv("KAFKA_TOPIC", topic)
    monkeypatch.setenv("KAFKA_GROUP_ID", topic)
    sick = cli("doctor")
    assert sick.returncode == ExitCode.BROKER
    assert f"FAILED topic: there is no topic {topic}" in sick.stdout
    assert "  - `batchwire topics create` makes it" in sick.stdout
    assert cli("topics", "create").returncode == 0
    well = cli("doctor", "--json")
    assert well.returncode == ExitCode.OK
    found = json.loads(well.stdout)
    assert [step["is_ok"] for step in found["steps"]] == [True] * 9
    assert (found["lag"]["records"], found["troubles"]) == (0, [])
    send(kafka, topic, [b"{}"] * 5)
    behind = cli("doctor")
    assert behind.returncode == ExitCode.OK
    assert f"backlog: 5 records wait for the group {topic}" in behind.stdout


def test_a_mistake_that_concerns_sending_is_told_once_and_hides_no_broker(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:9")
    (folder / "batchwire.yaml").write_text("engine: {chunk_size: 0}\n")
    done = cli("doctor")
    assert done.returncode == ExitCode.BROKER
    assert "FAILED port: 127.0.0.1:9" in done.stdout
    assert done.stderr.count("note: ") == 1


def test_the_security_of_the_settings_is_used_and_never_shown(
    cli: Cli,
    secure_kafka: SecureBroker,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("THE_PASSWORD", "never-shown")
    (folder / "batchwire.yaml").write_text(f"""
batch_events:
  kafka:
    brokers: ["{secure_kafka.doors["TLS_PLAIN"]}"]
    tls: {{enabled: true, ca_file: "{secure_kafka.certificates.ca}"}}
    sasl: {{mechanism: PLAIN, username: admin, password_env: THE_PASSWORD}}
""")
    refused = cli("doctor")
    assert refused.returncode == ExitCode.BROKER
    assert "FAILED sasl: " in refused.stdout
    assert "Invalid username or password" in refused.stdout
    monkeypatch.setenv("THE_PASSWORD", secure_kafka.users["admin"])
    assert "ok     sasl: as admin" in cli("doctor").stdout
    for said in (refused, cli("config", "show")):
        assert "never-shown" not in said.stdout + said.stderr
