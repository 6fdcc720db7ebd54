"""Standard streams that are closed, broken or full: the work goes on, the code is true."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batchwire.__main__ import main
from batchwire.cli.exit_codes import ExitCode

Cli = Callable[..., subprocess.CompletedProcess[str]]
LIST = "to\n" + "".join(f"+4478100{n:05}\n" for n in range(300))
SEND = "batchwire send list.csv --template Hi --batch-id b1"


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of bash; ``batchwire`` is this program."""
    script = f'batchwire() {{ "{sys.executable}" -m batchwire "$@"; }}\n{command}'
    return subprocess.run(  # noqa: S603 - our own program
        ["/bin/bash", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def full(folder: Path) -> Path:
    """Give a folder with a list."""
    (folder / "list.csv").write_text(LIST)
    return folder


def status(cli: Cli) -> str:
    return str(json.loads(cli("show", "b1", "--json").stdout)["status"])


@pytest.mark.parametrize("how", [">&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_batch_is_sent_whatever_the_streams_are(
    cli: Cli, full: Path, how: str
) -> None:
    done = shell(full, f"{SEND} {how}")
    assert (done.returncode, status(cli)) == (ExitCode.OK, "completed")


def test_who_reads_no_further_ends_no_engine(cli: Cli, full: Path) -> None:
    (full / "batchwire.yaml").write_text(
        "providers: {sandbox: {kind: sandbox, rate_parts_per_s: 200}}\n"
    )
    command = f"({SEND} 2>&1 >/dev/null; echo $? > code) | head -c 1"
    shell(full, command)
    assert (full / "code").read_text().strip() == "0"
    assert status(cli) == "completed"


UNWRITABLE = "standard output cannot be written: "


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("list > /dev/full", ExitCode.OUTPUT, f"{UNWRITABLE}No space left"),
        ("list --json > /dev/full", ExitCode.OUTPUT, f"{UNWRITABLE}No space left"),
        ("events b1 > /dev/full", ExitCode.OUTPUT, f"{UNWRITABLE}No space left"),
        ("recipients b1 --csv > /dev/full", ExitCode.OUTPUT, UNWRITABLE),
        ("--help > /dev/full", ExitCode.OUTPUT, UNWRITABLE),
        ("show b1 1< list.csv", ExitCode.OUTPUT, f"{UNWRITABLE}Bad file descriptor"),
        ("show b0 --json > /dev/full", ExitCode.BATCH, "b0"),
    ],
)
def test_output_that_cannot_be_written_is_a_sentence(
    cli: Cli, full: Path, command: str, code: int, words: str
) -> None:
    cli(*SEND.split()[1:])
    done = shell(full, f"batchwire {command}")
    assert done.returncode == code
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


@pytest.mark.parametrize("how", ["", "--json"])
def test_a_batch_is_sent_although_nothing_of_it_can_be_told(
    cli: Cli, full: Path, how: str
) -> None:
    done = shell(full, f"{SEND} {how} > /dev/full")
    assert done.returncode == ExitCode.OUTPUT
    assert done.stderr.splitlines()[-1].startswith(f"error: {UNWRITABLE}")
    assert status(cli) == "completed"
    assert cli("verify", "b1").returncode == ExitCode.OK


@pytest.mark.usefixtures("full")
def test_a_full_disk_behind_another_file_names_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/batchwire-1")  # noqa: S108 - never made

    monkeypatch.setattr("batchwire.cli.dry_run.tempfile.TemporaryDirectory", refuse)
    done = cli(*SEND.split()[1:], "--dry-run")
    assert done.returncode == ExitCode.STORE
    assert done.stderr.startswith("error: /tmp/batchwire-1: No space left on device;")


def test_ctrl_c_ends_the_program_at_once_until_its_command_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python loses its own exception within some imports, and all would be sent."""
    seen: list[object] = []

    def secure() -> None:
        seen.append(signal.getsignal(signal.SIGINT))

    monkeypatch.setattr("batchwire.cli.streams.secure", secure)
    monkeypatch.setattr("sys.argv", ["batchwire", "list"])
    with pytest.raises(SystemExit):
        main()
    seen.append(signal.getsignal(signal.SIGINT))
    assert seen == [signal.SIG_DFL, signal.default_int_handler]
