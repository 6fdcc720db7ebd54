"""What somebody sees who works on a terminal."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from batchwire.cli.exit_codes import ExitCode

Cli = Callable[..., CompletedProcess[str]]
Terminal = Callable[..., Any]


def lines(shown: str) -> list[str]:
    """Split what a terminal was shown where a line begins, or again; no colours."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    return [line.rstrip() for line in re.split(r"[\r\n]+(?:\x1b\[2K)?", plain)]


def test_the_list_fits_80_columns_and_breaks_nothing(
    terminal: Terminal, cli: Cli, people: Path
) -> None:
    batch_id = "b-0123456789ab"  # as long as those we make
    cli("send", people, "--template", "Hi", "--batch-id", batch_id, "--no-wait")
    cli("pause", batch_id)
    header, row, *_ = lines(terminal("list").end())
    names = "batch status progress recipients success failed made"
    assert header.split() == names.split()
    assert row.split()[:3] == [batch_id, "preparation_paused", "0%"]
    assert re.fullmatch(r"[\d:]{8}Z|[\d-]{10}", row.split()[-1])
    assert max(len(header), len(row)) <= 80


def test_a_list_of_long_ids_is_cut_off_nowhere(
    terminal: Terminal, cli: Cli, people: Path
) -> None:
    for batch_id in ("b" * 22, "b" * 70):
        cli("send", people, "--template", "Hi", "--batch-id", batch_id, "--no-wait")
        shown = lines(terminal("list", "--limit", "1").end())
        told = next(line for line in shown if batch_id in line).split()
        assert told[:3] == [batch_id, "preparation_ready", "0%"]


def test_a_log_line_has_lines_of_its_own_beside_the_bar(
    terminal: Terminal, people: Path, folder: Path
) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers:\n  away: {kind: http, url: 'http://127.0.0.1:9/',"
        " body: {to: <to>, text: <text>}}\n"
    )
    send = terminal("send", people, "--template", "Hi", "--batch-id", "b1")
    send.until("provider_down")
    send.until("away")
    (logged,) = (line for line in lines(send.shown) if "provider_down" in line)
    assert re.fullmatch(r"[\d.:TZ-]+ \[warning +\] provider_down", logged)


def test_ctrl_c_is_answered_on_a_line_of_its_own_beside_the_bar(
    terminal: Terminal, people: Path, folder: Path
) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers:\n  sandbox: {latency_ms: 60000}\n"
    )
    send = terminal("send", people, "--template", "Hi", "--batch-id", "b1")
    send.until("delivery_running")
    send.process.send_signal(signal.SIGINT)
    send.until("uncertain")
    said = "stopping: waits for the answers to what is in flight (at most 25 s);"
    assert any(line.startswith(said) for line in lines(send.shown))
    time.sleep(0.5)  # sooner it would be the same one
    send.process.send_signal(signal.SIGINT)
    assert "ended at once" in send.end()
    assert send.process.returncode == 130
    assert send.shown.rindex("\x1b[?25h") > send.shown.rindex("\x1b[?25l")


def test_a_text_is_shown_as_it_is_whatever_stands_in_brackets(
    terminal: Terminal, cli: Cli, people: Path, folder: Path
) -> None:
    text = "[red]SALE[/b] {{name}} :smile:"
    (folder / "batchwire.yaml").write_text(
        "providers:\n  sandbox: {latency_ms: 60000}\n"
    )
    send = terminal("send", people, "--template", text, "--batch-id", "b1")
    send.until("delivery_running")
    assert cli("pause", "b1", "--reason", "see [/tickets/17]").returncode == 0
    send.until("see [/tickets/17]")
    assert text in terminal("show", "b1").end()
    for _ in range(2):
        send.process.send_signal(signal.SIGINT)
    assert "Traceback" not in send.end()


def test_whoever_interrupts_the_question_purges_nothing(
    terminal: Terminal, cli: Cli, people: Path
) -> None:
    cli("send", people, "--template", "Hi", "--batch-id", "b1")
    purge = terminal("purge", "--older-than", "0h")
    purge.until("Forget for good")
    time.sleep(1)  # between the question and the waiting a signal would be seen late
    purge.process.send_signal(signal.SIGINT)
    assert "nothing was purged" in purge.end()
    assert purge.process.returncode == ExitCode.INTERRUPTED
    assert len(cli("recipients", "b1", "--json").stdout.splitlines()) == 4
