"""``batchwire suppressions``: who is never sent to, and how that is taken back."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from batchwire.cli.exit_codes import ExitCode

Cli = Callable[..., CompletedProcess[str]]
ONE, TWO = "+447810000001", "+447810000002"


def listed(cli: Cli) -> dict[str, str]:
    lines = cli("suppressions", "list", "--json").stdout.splitlines()
    return {one["number"]: one["reason"] for one in map(json.loads, lines)}


def test_numbers_in_any_spelling_are_never_sent_to(cli: Cli, folder: Path) -> None:
    """They may be given before there is a database."""
    added = cli("suppressions", "add", "07810 000001", TWO, "--default-region", "GB")
    assert added.returncode == ExitCode.OK
    assert added.stdout == "2 added; 0 were suppressed before\n"
    assert "there was no database batchwire.db: it is made" in added.stderr
    assert cli("suppressions", "add", TWO).stderr == ""
    (folder / "list.csv").write_text(f"to\n{ONE}\n{TWO}\n+447810000003\n")
    sent = cli("send", "list.csv", "--template", "Hi", "--batch-id", "b1", "--json")
    assert sent.returncode == ExitCode.OK
    counts = json.loads(cli("show", "b1", "--json").stdout)["counts"]
    assert (counts["suppressed"], counts["accepted"]) == (2, 1)


def test_a_list_is_suppressed_but_for_what_is_no_number(cli: Cli, folder: Path) -> None:
    lines = "".join(f"x{n},Bo\n" for n in range(25))
    (folder / "out.csv").write_text(f"mobile,name\n{ONE},Al\n{lines}{TWO},Cy\n")
    cli("suppressions", "add", ONE, "--reason", "asked by letter")
    done = cli("suppressions", "add", "--list", "out.csv")
    assert done.returncode == ExitCode.NOT_GOOD
    assert done.stdout == "1 added; 1 were suppressed before\n"
    told = done.stderr.splitlines()
    assert told[0] == "not added: 'x0' (letters)"
    assert told[20:] == ["not added: 5 more"]
    assert listed(cli) == {ONE: "asked by letter", TWO: "opted out"}
    again = cli("suppressions", "add", "--list", "out.csv", "--json")
    found = json.loads(again.stdout)
    assert (found["added"], found["known"], found["invalid"]) == (0, 2, 25)


def test_who_is_removed_is_sent_to_again(cli: Cli) -> None:
    cli("suppressions", "add", ONE, TWO)
    done = cli("suppressions", "remove", "0044 7810 000001", "+447810000009")
    assert done.returncode == ExitCode.OK
    assert done.stdout == "1 removed\n"
    assert done.stderr == "+447810000009 was not suppressed\n"
    assert list(listed(cli)) == [TWO]
    assert f"{TWO}     " in cli("suppressions", "list").stdout
    removed = cli("suppressions", "remove", TWO, ONE, "--json")
    assert json.loads(removed.stdout) == {"removed": [TWO], "unknown": [ONE]}
    assert listed(cli) == {}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add"], ExitCode.USAGE, "give either NUMBER or --list"),
        (["add", ONE, "--list", "x.csv"], ExitCode.USAGE, "give either NUMBER"),
        (["add", ONE, "--reason", "x" * 256], ExitCode.USAGE, "at most 255"),
        (["add", "--list", "none.csv"], ExitCode.BAD_INPUT, "cannot be read"),
        (["add", "--list", "bad.csv"], ExitCode.BAD_INPUT, "line 3"),
        (["add", ONE, "--default-region", "XX"], ExitCode.BAD_INPUT, "no region"),
        (["remove", "12"], ExitCode.USAGE, "'12' is no number (too_short)"),
        (["list"], ExitCode.STORE, "there is no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    cli: Cli, folder: Path, arguments: list[str], code: ExitCode, said: str
) -> None:
    (folder / "bad.csv").write_bytes(b"to\n+447810000001\n\xff\n")
    done = cli("suppressions", *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_leaves_them_out_of_what_would_be_sent(
    cli: Cli, folder: Path
) -> None:
    long = "x" * 200
    (folder / "list.csv").write_text(f"to,name\n{ONE},{long}\n{TWO},Bo\n12,Cy\n")
    send = ("send", "list.csv", "--template", "Hi {{name}}", "--dry-run", "--json")
    before = json.loads(cli(*send).stdout)
    assert (before["counts"]["open"], before["parts"]) == (2, 3)
    cli("suppressions", "add", ONE)
    after = json.loads(cli(*send).stdout)
    assert (after["counts"]["open"], after["counts"]["suppressed"]) == (1, 1)
    assert (after["parts"], after["recipients_by_parts"]) == (1, {"1": 1})
    cli("suppressions", "add", TWO)
    assert cli(*send).returncode == ExitCode.NOT_GOOD
