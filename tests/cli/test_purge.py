"""``batchwire purge``: asked for, shown first, told afterwards by every command."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from batchwire.cli import serve
from batchwire.cli.exit_codes import ExitCode
from batchwire.engine.retention import Purge
from batchwire.ports.clock import Clock

Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture
def sent(cli: Cli, people: Path) -> Cli:
    done = cli("send", people, "--template", "Hi", "--batch-id", "b1")
    assert done.returncode == ExitCode.OK
    return cli


def test_a_dry_run_says_what_would_go_and_changes_nothing(sent: Cli) -> None:
    done = sent("purge", "--older-than", "0d", "--dry-run")
    assert done.returncode == ExitCode.OK
    assert "would purge 1 batches with 4 recipients" in done.stdout
    asked = sent("purge", "--older-than", "0d", "--dry-run", "--json")
    (batch,) = json.loads(asked.stdout)["batches"]
    assert (batch["batch_id"], batch["recipients"]) == ("b1", 4)
    assert sent("recipients", "b1").returncode == ExitCode.OK
    assert "0 batches" in sent("purge", "--older-than", "1d", "--dry-run").stdout


def test_what_was_purged_is_told_everywhere(sent: Cli) -> None:
    before = json.loads(sent("show", "b1", "--json").stdout)
    assert before["purged_at"] is None
    done = sent("purge", "--older-than", "0d", "--yes", "--operator", "ann")
    assert done.returncode == ExitCode.OK
    assert "purged 1 batches with 4 recipients" in done.stdout
    after = json.loads(sent("show", "b1", "--json").stdout)
    assert after["purged_at"]
    assert after["counts"] == before["counts"]
    assert (before["operations"], after["operations"]) == ([], [])
    assert "recipients purged" in sent("show", "b1").stdout
    events = sent("events", "b1")
    assert "note=purged, by=ann" in events.stdout
    assert sent("events", "b1", "--json").returncode == ExitCode.OK
    verified = sent("verify", "b1")
    assert verified.returncode == ExitCode.OK
    assert "b1: no contradiction; its recipients were purged at" in verified.stdout
    retried = sent("retry", "b1")
    assert retried.returncode == ExitCode.BATCH
    assert "its recipients were purged" in retried.stderr
    read = sent("recipients", "b1")
    assert read.returncode == ExitCode.BATCH
    assert "its recipients were purged" in read.stderr
    again = sent("purge", "--older-than", "0d", "--yes", "--json")
    assert json.loads(again.stdout)["batches"] == 0


def test_nothing_is_purged_where_nobody_can_be_asked(sent: Cli) -> None:
    done = sent("purge", "--older-than", "0d")
    assert done.returncode == ExitCode.USAGE
    assert "--yes means it" in done.stderr
    assert sent("recipients", "b1").returncode == ExitCode.OK


@pytest.mark.parametrize("age", ["", "90", "3m", "-3d", "d", "1234567d"])
def test_what_is_no_age_is_refused(sent: Cli, age: str) -> None:
    done = sent("purge", f"--older-than={age}", "--yes")
    assert done.returncode == ExitCode.USAGE
    assert sent("recipients", "b1").returncode == ExitCode.OK


def test_a_service_purges_where_the_settings_say_so(
    sent: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def daily(_: Purge, days: int, clock: Clock) -> None:
        asked.append(days)
        await clock.sleep(60)  # cancelled at the end

    monkeypatch.setattr(serve, "daily", daily)
    assert sent("serve", "--until-idle").returncode == ExitCode.OK
    assert asked == []
    (folder / "batchwire.yaml").write_text("retention_days: 30\n")
    assert sent("serve", "--until-idle").returncode == ExitCode.OK
    assert asked == [30]
