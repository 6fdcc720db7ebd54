"""Sending: in the foreground, without waiting, dry, and interrupted."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest

from batchwire.adapters.system.clock import SystemClock
from batchwire.cli import send as command

Cli = Callable[..., CompletedProcess[str]]
Start = Callable[..., Popen[str]]
HELLO = ("--template", "Hi {{name}}")


def test_send_is_the_engine_until_the_batch_has_ended(cli: Cli, people: Path) -> None:
    done = cli("send", people, *HELLO, "--batch-id", "b1", "--json")
    assert done.returncode == 0
    batch = json.loads(done.stdout)
    assert batch["status"] == "completed"
    assert batch["counts"]["accepted"] == 2
    assert batch["counts"]["duplicate"] == 1
    assert batch["counts"]["invalid"] == 1
    assert sum(batch["counts"].values()) == batch["recipients"] == 4


def test_the_ledger_is_printed_and_adds_up(cli: Cli, people: Path) -> None:
    done = cli("send", people, *HELLO)
    _, *rows, last = [line.split() for line in done.stdout.splitlines()[1:]]
    counts = {name: int(count) for name, count, _ in rows}
    assert counts["accepted"] == 2
    assert sum(counts.values()) == 4
    assert last == ["=", "recipients", "4"]


def test_progress_goes_to_standard_error(cli: Cli, people: Path) -> None:
    done = cli("send", people, *HELLO, "--batch-id", "b1")
    assert "b1 completed: 4 of 4" in done.stderr


def test_a_list_may_come_from_standard_input(start: Start) -> None:
    send = start("send", "-", "--template", "Hi", "--json")
    out, _ = send.communicate("+4917112345678\n", timeout=30)
    assert send.returncode == 0
    assert json.loads(out)["source"] == "standard input"


def test_without_waiting_the_batch_is_only_made(cli: Cli, people: Path) -> None:
    done = cli("send", people, *HELLO, "--batch-id", "b1", "--no-wait")
    assert done.returncode == 0
    assert "b1: preparation_ready" in done.stdout
    assert "batchwire serve" in done.stderr
    for look in (("show", "b1"), ("show", "b1", "--json"), ("list",)):
        assert "no engine works on this database" in cli(*look).stderr
    assert cli("serve", "--until-idle").returncode == 0
    assert json.loads(cli("show", "b1", "--json").stdout)["status"] == "completed"


def test_what_this_engine_carries_on_beside_its_batch_is_named(
    cli: Cli, people: Path
) -> None:
    cli("send", people, *HELLO, "--batch-id", "left", "--no-wait")
    cli("send", people, *HELLO, "--batch-id", "held", "--no-wait")
    cli("pause", "held")
    done = cli("send", people, *HELLO, "--batch-id", "ours")
    assert done.returncode == 0
    assert "left goes on too" in done.stderr
    assert "`batchwire pause left` holds it" in done.stderr
    assert "held goes on" not in done.stderr


def test_a_batch_of_which_nobody_can_be_sent_to_is_not_good(
    cli: Cli, folder: Path
) -> None:
    (folder / "list.csv").write_text("to\nnobody\n")
    done = cli("send", "list.csv", "--template", "Hi", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "completed"


def test_a_mark_before_the_text_of_a_file_is_not_sent(
    cli: Cli, people: Path, folder: Path
) -> None:
    (folder / "text.txt").write_bytes(b"\xef\xbb\xbfHi\n")
    done = cli("send", people, "--template-file", "text.txt", "--dry-run", "--json")
    assert {one["encoding"] for one in json.loads(done.stdout)["samples"]} == {"gsm7"}


def test_the_same_request_makes_one_batch(cli: Cli, people: Path) -> None:
    first = cli("send", people, *HELLO, "--request-id", "r1", "--json")
    again = cli("send", people, *HELLO, "--request-id", "r1", "--json")
    assert json.loads(first.stdout) == json.loads(again.stdout)
    assert len(json.loads(cli("list", "--json").stdout)) == 1


def test_the_same_request_after_its_not_after_gets_its_batch(
    cli: Cli, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("send", people, *HELLO, "--not-after", "2099-01-01T00:00:00Z")
    first = cli(*asked, "--request-id", "r1", "--json")
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime(2100, 1, 1, tzinfo=UTC))
    again = cli(*asked, "--request-id", "r1", "--json")
    assert json.loads(first.stdout) == json.loads(again.stdout)
    assert cli(*asked, "--request-id", "r2").returncode == 3


def test_another_request_of_the_same_id_is_refused(cli: Cli, people: Path) -> None:
    cli("send", people, *HELLO, "--request-id", "r1", "--json")
    other = cli("send", people, "--template", "Bye", "--request-id", "r1")
    assert other.returncode == 5
    assert other.stderr.startswith("error: batch b-")


def test_a_dry_run_counts_and_leaves_nothing(
    cli: Cli, people: Path, folder: Path
) -> None:
    done = cli("send", people, *HELLO, "--rate", "1", "--dry-run", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["counts"]["open"] == found["parts"] == found["duration_s"] == 2
    assert found["invalid"] == {"letters": 1}
    assert [sample["text"] for sample in found["samples"]] == ["Hi Ann", "Hi Zoë ☺"]
    assert [path.name for path in folder.iterdir()] == ["people.csv"]


def test_the_rate_of_a_batch_is_shown(cli: Cli, people: Path) -> None:
    cli("send", people, *HELLO, "--batch-id", "b1", "--rate", "20", "--no-wait")
    assert "20 parts/s of its own" in cli("show", "b1").stdout
    assert json.loads(cli("show", "b1", "--json").stdout)["rate_parts_per_s"] == 20


def test_a_dry_run_is_told_in_words(cli: Cli, people: Path) -> None:
    done = cli("send", people, *HELLO, "--dry-run")
    assert "1, such as 'call me' at position 2" in done.stdout
    assert "nothing was sent" in done.stdout
    assert "ucs2: 1 of the first 2" in done.stdout


def test_a_dry_run_says_what_keeps_whose_text_out_of_gsm_7(
    cli: Cli, folder: Path
) -> None:
    names = "to,name\n+4915112345601,Łukasz ☺\n+4915112345602,“Bo”\n+4915112345603,Al\n"
    (folder / "n.csv").write_text(names, encoding="utf-8")
    asked = ("send", "n.csv", *HELLO, "--dry-run")
    done = cli(*asked)
    assert "outside gsm7 for good: Ł (1), ☺ (1)\n" in done.stdout
    assert "--smart-encoding would bring 1 of them into gsm7\n" in done.stdout
    assert json.loads(cli(*asked, "--json").stdout)["outside_gsm7"] == [
        {"to": "+4915112345601", "characters": "Ł☺"},
        {"to": "+4915112345602", "characters": ""},
    ]
    assert "would bring" not in cli(*asked, "--smart-encoding").stdout


def test_shared_parameters_fill_the_template(cli: Cli, people: Path) -> None:
    asked = ("--template", "{{name}}: {{code}}", "--param", "code=a=b", "--dry-run")
    found = json.loads(cli("send", people, *asked, "--json").stdout)
    assert found["samples"][0]["text"] == "Ann: a=b"


def test_a_template_may_stand_in_a_file(cli: Cli, people: Path, folder: Path) -> None:
    (folder / "text.txt").write_text("Hello {{name}}\n")
    done = cli("send", people, "--template-file", "text.txt", "--dry-run", "--json")
    assert json.loads(done.stdout)["samples"][0]["text"] == "Hello Ann"


def test_what_is_uncertain_is_held_where_keys_mean_nothing(
    cli: Cli, people: Path, folder: Path
) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers:\n"
        "  plain: {kind: http, url: 'http://127.0.0.1:9/', body: {to: <to>, text: <text>}}\n"
        "  keyed: {kind: http, url: 'http://127.0.0.1:9/', body: {to: <to>, text: <text>},"
        " idempotency_header: Idempotency-Key}\n"
        "default_provider: plain\n"
    )
    policies = [
        json.loads(cli("send", people, *HELLO, "--no-wait", "--json", *more).stdout)
        for more in ((), ("--provider", "keyed"), ("--on-uncertain", "drop"))
    ]
    assert [one["on_uncertain"] for one in policies] == ["hold", "resend", "drop"]


def test_of_several_providers_without_a_default_one_can_be_named(
    cli: Cli, people: Path, folder: Path
) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers: {a: {kind: sandbox}, b: {kind: sandbox}}\n"
    )
    for words in (("send", people, *HELLO), ("serve", "--until-idle")):
        refused = cli(*words)
        assert refused.returncode == 4
        assert "default_provider: must be set, as there are several: a, b" in (
            refused.stderr
        )
        assert "--provider" in refused.stderr
        assert not (folder / "batchwire.db").exists()
    done = cli("send", people, *HELLO, "--provider", "b", "--json")
    assert done.returncode == 0
    assert "the provider b is a sandbox: nothing is really sent\n" in done.stderr
    assert json.loads(done.stdout)["provider"] == "b"


def test_a_batch_that_fails_while_waiting_ends_with_1(
    cli: Cli, people: Path, folder: Path
) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers:\n  sandbox: {permanent_rate: 1}\n"
    )
    done = cli("send", people, *HELLO, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "delivery_failed"


def test_refused_credentials_end_the_wait_with_6(
    cli: Cli, people: Path, folder: Path
) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers:\n  sandbox: {refuse_credentials: true}\n"
    )
    done = cli("send", people, *HELLO, "--batch-id", "b1")
    assert done.returncode == 6
    assert "batchwire resume b1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGTERM, 2)]
)
def test_a_signal_drains_and_the_batch_goes_on_later(
    start: Start, cli: Cli, slow: Path, number: signal.Signals, times: int
) -> None:
    """Also one that comes twice, as `timeout` and process groups pass them on."""
    send = start("send", slow, "--template", "Hi", "--batch-id", "b1")
    _until_said(send, "delivery_running")
    time.sleep(0.5)
    for _ in range(times):
        send.send_signal(number)
        time.sleep(0.1)
    out, err = send.communicate(timeout=30)
    assert send.returncode == 130
    assert "batchwire serve --until-idle" in err
    assert ("stopping: " in err) == (number is signal.SIGINT)
    assert "Traceback" not in err
    assert "b1: delivery_running" in out
    batch = json.loads(cli("show", "b1", "--json").stdout)
    assert batch["counts"]["uncertain"] == 0
    assert 0 < batch["counts"]["open"] < 2000
    assert cli("verify").returncode == 0


def test_a_character_that_the_output_has_not_is_no_defect(
    start: Start, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    send = start("send", people, "--template", "Hé \x1b {{name}}", "--dry-run")
    out, _ = send.communicate(timeout=30)
    assert send.returncode == 0
    assert "H\\xe9" in out
    assert "\x1b" not in out


def test_a_second_signal_ends_at_once_and_nothing_is_lost(
    start: Start, cli: Cli, people: Path, folder: Path
) -> None:
    settings = folder / "batchwire.yaml"
    settings.write_text("providers:\n  sandbox: {latency_ms: 60000}\n")
    send = start("send", people, *HELLO, "--batch-id", "b1")
    _until_said(send, "delivery_running")
    time.sleep(0.5)
    send.send_signal(signal.SIGINT)
    line = _until_said(send, "stopping: ")
    assert "(at most 25 s); Ctrl-C again ends at once" in line
    time.sleep(0.5)  # sooner it would be the same one
    send.send_signal(signal.SIGINT)
    send.communicate(timeout=10)  # draining would take 25 s
    assert send.returncode == 130
    settings.unlink()
    assert cli("serve", "--until-idle", "--json").returncode == 0
    counts = json.loads(cli("show", "b1", "--json").stdout)["counts"]
    assert counts["uncertain"] + counts["accepted"] == 2


@pytest.mark.parametrize("how", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("template", "is_noted"),
    [("Hi {name}", True), ("Hi { name }", True), ("Hi {{name}} {x}", False)],
)
def test_braces_of_another_program_are_noted(
    cli: Cli, people: Path, template: str, how: tuple[str, ...], *, is_noted: bool
) -> None:
    done = cli("send", people, "--template", template, *how)
    assert done.returncode == 0
    told = "note: {name} is sent as it stands; the parameter is {{name}}"
    assert (told in done.stderr) == is_noted


def test_a_batch_that_was_made_before_a_signal_was_heard_is_named(
    cli: Cli, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the commit and the wait for its end nobody drains."""
    at_work = command._at_work  # noqa: SLF001 - the first that comes after the commit

    async def interrupted(_: object) -> None:
        monkeypatch.setattr(command, "_at_work", at_work)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_at_work", interrupted)
    done = cli("send", people, *HELLO, "--batch-id", "b1")
    assert done.returncode == 130
    assert "interrupted; `batchwire serve --until-idle` delivers it" in done.stderr
    assert "there is none" not in done.stderr


def test_a_signal_while_the_list_is_read_makes_no_batch(start: Start, cli: Cli) -> None:
    send = start("send", "-", "--template", "Hi")
    assert send.stdin is not None
    cli("send", "/dev/null", "--template", "Hi")  # makes the database; and is refused
    send.stdin.write("+4917112345678\n" * 50_000)
    send.stdin.flush()
    send.send_signal(signal.SIGINT)
    _, err = send.communicate(timeout=30)
    assert send.returncode == 130
    assert "Traceback" not in err
    assert json.loads(cli("list", "--json").stdout) == []


def test_a_signal_ends_the_wait_for_somebody_who_types(start: Start, cli: Cli) -> None:
    cli("send", "/dev/null", "--template", "Hi")  # makes the database; and is refused
    send = start("send", "-", "--template", "Hi")
    assert send.stdin is not None
    send.stdin.write("+4917112345678\n")
    send.stdin.flush()
    time.sleep(3)
    send.send_signal(signal.SIGINT)
    assert send.wait(timeout=10) == 130  # though its input is still open
    assert json.loads(cli("list", "--json").stdout) == []


def test_beside_an_engine_send_returns_at_once(
    start: Start, cli: Cli, slow: Path
) -> None:
    serve = start("serve")
    assert serve.stderr is not None
    assert "Ctrl-C drains" in serve.stderr.readline()
    _until_engine(cli, slow)
    done = cli("send", slow, "--template", "Hi", "--batch-id", "b1")
    assert done.returncode == 0
    assert "batchwire watch b1" in done.stderr
    assert cli("abort", "b1").returncode == 0
    assert cli("watch", "b1", "--json").returncode == 1
    second = cli("serve")
    assert second.returncode == 7
    assert "another engine" in second.stderr
    serve.send_signal(signal.SIGTERM)
    serve.communicate(timeout=30)
    assert serve.returncode == 0


def test_ctrl_c_ends_following_another_engine_and_speaks_of_no_drain(
    start: Start, cli: Cli, slow: Path
) -> None:
    start("serve", "--json")
    _until_engine(cli, slow)
    words = ("--template", "Hi", "--batch-id", "b1", "--wait")
    send = start("send", slow, *words)
    _until_said(send, "delivery_running")
    send.send_signal(signal.SIGINT)
    _, err = send.communicate(timeout=10)
    assert send.returncode == 130
    assert "interrupted; the engine goes on with it" in err
    assert "stopping" not in err


def test_ctrl_c_says_how_a_paused_batch_goes_on(
    start: Start, cli: Cli, slow: Path
) -> None:
    send = start("send", slow, "--template", "Hi", "--batch-id", "b1")
    _until_said(send, "delivery_running")
    assert cli("pause", "b1").returncode == 0
    send.send_signal(signal.SIGINT)
    _, err = send.communicate(timeout=30)
    assert send.returncode == 130
    told = "`batchwire resume b1`, then `batchwire serve --until-idle`"
    assert told in err


def _until_said(send: Popen[str], text: str) -> str:
    """Wait for a line with this text on standard error; returns it."""
    assert send.stderr is not None
    for line in send.stderr:
        if text in line:
            return line
    pytest.fail(f"it never said {text!r}")


def _until_engine(cli: Cli, slow: Path) -> None:
    """Wait until a scheduled batch says that an engine would follow it."""
    later = ("--schedule", "2999-01-01T00:00:00Z", "--no-wait", "--template", "Hi")
    for _ in range(100):
        if cli("send", slow, *later).stderr.endswith("follows it\n"):
            return
        time.sleep(0.05)
    pytest.fail("the engine did not start")


def test_a_broken_pipe_is_quiet(cli: Cli, slow: Path, folder: Path) -> None:
    cli("send", slow, "--template", "Hi", "--provider", "sandbox", "--batch-id", "b1")
    piped = subprocess.run(  # noqa: S602 - a pipe is the point
        f"{sys.executable} -m batchwire recipients b1 | head -n 1",
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert piped.stdout.split()[0] == "position"
    assert piped.stderr == ""


def test_a_send_beside_another_follows_and_goes_on_alone_or_is_left_behind_by_name(
    cli: Cli, folder: Path, start: Start
) -> None:
    (folder / "list.csv").write_text(
        "to\n" + "".join(f"+44781{n:07}\n" for n in range(100))
    )
    words = ("send", "list.csv", "--template", "Hi", "--batch-id")
    first = start(*words, "first", "--rate", "1")
    until_running(cli, "first")
    left = cli(*words, "left", "--rate", "1", "--no-wait")
    assert left.returncode == 0
    assert "the engine is another `send`, which may end before it" in left.stderr
    waiting = start(*words, "waiting", "--rate", "20")
    assert waiting.stderr is not None
    assert "is a sandbox" in waiting.stderr.readline()
    told = waiting.stderr.readline()
    assert told.startswith("another `send` is the engine: this one follows")
    assert cli("abort", "first").returncode == 0
    _, told = first.communicate(timeout=30)
    assert first.returncode == 1
    assert "left is not done (delivery_running), and nothing works on it now" in told
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert cli("show", "waiting", "--json").stdout.count('"completed"')


def until_running(cli: Cli, batch_id: str) -> None:
    deadline = time.monotonic() + 20
    while "delivery_running" not in cli("show", batch_id, "--json").stdout:
        assert time.monotonic() < deadline
        time.sleep(0.1)
