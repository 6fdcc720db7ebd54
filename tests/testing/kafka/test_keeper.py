"""A kept process lives exactly as long as somebody uses it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batchwire.testing.kafka.process import KeptProcess, holding

pytestmark = pytest.mark.timeout(60)

SLEEP = ["sleep", "600"]
DYING_USER = """
import os, signal, sys
from pathlib import Path
from batchwire.testing.kafka.process import KeptProcess
kept = KeptProcess(["sleep", "600"], Path(sys.argv[1]), Path(sys.argv[2]))
print(kept.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for_end(pid: int) -> None:
    while not has_ended(pid):
        time.sleep(0.01)


def killed_user(folder: Path) -> int:
    """Let a process start one and be killed; returns the id of what it started."""
    program = [sys.executable, "-c", DYING_USER, str(folder / "users")]
    died = subprocess.run(  # noqa: S603 - ours
        [*program, str(folder / "log")], check=False, capture_output=True
    )
    assert died.returncode == -signal.SIGKILL
    return int(died.stdout)


def test_it_ends_when_its_only_user_is_killed(tmp_path: Path) -> None:
    wait_for_end(killed_user(tmp_path))


def test_it_outlives_the_user_that_started_it_while_another_is_there(
    tmp_path: Path,
) -> None:
    other = holding(tmp_path / "users")
    pid = killed_user(tmp_path)
    time.sleep(0.2)
    assert not has_ended(pid)
    other.close()
    wait_for_end(pid)


def test_its_end_is_seen(tmp_path: Path) -> None:
    kept = KeptProcess(SLEEP, tmp_path / "users", tmp_path / "log")
    assert kept.is_running
    os.kill(kept.pid, signal.SIGKILL)
    wait_for_end(kept.pid)
    kept.ended(signal.SIGTERM)
    assert not kept.is_running
