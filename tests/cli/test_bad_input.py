"""What people hand over by mistake: one sentence, the right code, nothing left."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Cli = Callable[..., CompletedProcess[str]]

GOOD = b"to,name\n+4917112345678,Ann\n"
LISTS: dict[str, tuple[bytes, str]] = {
    "binary": (b"\x7fELF\x00\x00\x01\x02" * 50, "binary file"),
    "empty": (b"", "no recipients"),
    "without the column": (b"who,name\n1,Ann\n", "no column of numbers"),
    "two of a name": (b"to,name,name\n1,a,b\n", "two columns of the name 'name'"),
    "a million blanks": (b"\n" * 1_000_000, "has no recipients"),
    "one long line": (b"+49171" * 500_000, "longer than 1,048,576 bytes"),
    "one long line of €": ("€".encode() * 500_000, "longer than 1,048,576 bytes"),
    "cr alone": (GOOD.replace(b"\n", b"\r"), "line ends of CR alone"),
    "utf-16": (GOOD.decode().encode("utf-16"), "UTF-16"),
    "latin-1": ("to,name\n+49171,Zoë\n".encode("latin-1"), "line 2"),
    "no csv": (b'to,name\n+49171,"A\n', "line 2"),
    "no csv far behind": (GOOD + GOOD[8:] * 20_000 + b'1,"B"ob\n', "line 20003"),
    "no json": (b'{"to": "+4917112345678"}\n{"to": 1}\n', "line 2: is no recipient"),
    "json too deep": (b'{"to": "1", "params": {"a": ' + b"[" * 5_000, "line 1"),
}


def refused(done: CompletedProcess[str], code: int, *words: str) -> None:
    """Check that it ended with the code and one sentence that has the words."""
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("kind", LISTS)
def test_a_bad_list_is_refused_and_nothing_is_left(
    cli: Cli, folder: Path, kind: str
) -> None:
    data, words = LISTS[kind]
    (folder / "bad.csv").write_bytes(data)
    refused(cli("send", "bad.csv", "--template", "Hi"), 3, "bad.csv", words)
    assert json.loads(cli("list", "--json").stdout) == []


def test_a_list_that_breaks_its_format_uses_up_no_id(cli: Cli, folder: Path) -> None:
    send = ("send", "list.csv", "--template", "Hi", "--batch-id", "march")
    (folder / "list.csv").write_bytes(LISTS["no csv"][0])
    refused(cli(*send, "--dry-run"), 3, "list.csv")
    refused(cli(*send), 3, "list.csv")
    (folder / "list.csv").write_bytes(GOOD)
    assert cli(*send).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ("send", "l.csv", "--template", ""),
        ("send", "l.csv", "--template", "Hi", "--request-id="),
        ("recipients", "b1", "--number", ""),
        ("send", "", "--template", "Hi"),
    ],
)
def test_an_empty_value_is_not_taken_for_none(cli: Cli, words: tuple[str, ...]) -> None:
    refused(cli(*words), 2, "is empty; is a variable of the shell not set?")


@pytest.mark.parametrize(
    "words", [("list", "--limit"), ("dlq", "list", "--limit"), ("dlq", "show")]
)
def test_a_number_that_no_database_keeps_is_refused(
    cli: Cli, words: tuple[str, ...]
) -> None:
    refused(cli(*words, "9" * 23), 2, "less than or equal to")


def test_what_is_no_utf_8_on_the_command_line_is_refused(cli: Cli) -> None:
    refused(cli("send", "l.csv", "--template", "Hi \udcff"), 2, "udcff", "not UTF-8")


@pytest.mark.parametrize(
    ("source", "words"),
    [("nowhere.csv", "No such file"), (".", "directory"), ("/proc/self/mem", "")],
)
def test_a_list_that_cannot_be_read(cli: Cli, source: str, words: str) -> None:
    refused(cli("send", source, "--template", "Hi"), 3, source, words)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Hi {{name", "column 4"),
        ("Hi {{}}", "without a name"),
        ("Hi {{surname}}", "no such column"),
        (" \t\n", "is blank"),
        ("x" * 153 * 256, "takes 256 parts"),
    ],
)
def test_a_bad_template(cli: Cli, people: Path, template: str, words: str) -> None:
    refused(cli("send", people, "--template", template), 3, "template", words)


def test_a_list_of_many_columns_is_refused_in_one_sentence(
    cli: Cli, folder: Path
) -> None:
    names = ",".join(f"column_{n}" for n in range(5_000))
    (folder / "wide.csv").write_text(f"to,{names}\n+447810000001\n")
    done = cli("send", "wide.csv", "--template", "Hi {{name}}")
    refused(done, 3, "wide.csv", "to, column_0, column_1", "(5,001 columns)")
    assert len(done.stderr) < 500


def test_a_template_file_that_is_none(cli: Cli, people: Path, folder: Path) -> None:
    (folder / "text.txt").write_bytes(b"\xff\xfe")
    refused(cli("send", people, "--template-file", "text.txt"), 3, "not UTF-8")
    refused(cli("send", people, "--template-file", "no.txt"), 3, "cannot be read")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--template", "Hi", "--template-file", "x"),
        ("--template", "Hi", "--param", "novalue"),
        ("--template", "Hi", "--priority", "11"),
        ("--template", "Hi", "--rate", "-1"),
        ("--template", "Hi", "--rate", "inf"),
        ("--template", "Hi", "--schedule", "tomorrow"),
        ("--template", "Hi", "--batch-id", "a b"),
        ("--template", "Hi", "--request-id", "r" * 256),
        ("--template", "Hi", "--on-uncertain", "guess"),
        ("--template", "Hi", "--frobnicate"),
    ],
)
def test_a_bad_command_line(
    cli: Cli, people: Path, folder: Path, arguments: tuple[str, ...]
) -> None:
    refused(cli("send", people, *arguments), 2, "batchwire send --help")
    assert not (folder / "batchwire.db").exists()


def test_times_between_which_nothing_can_be_sent(cli: Cli, people: Path) -> None:
    schedule = (
        "--schedule",
        "2099-01-02T00:00:00Z",
        "--not-after",
        "2099-01-01T00:00:00Z",
    )
    for how in ((), ("--dry-run",)):
        done = cli("send", people, "--template", "Hi", *schedule, *how)
        refused(done, 3, "not_after", "is not after schedule_time")


@pytest.mark.parametrize("option", ["--not-after", "--schedule"])
@pytest.mark.parametrize("how", [(), ("--no-wait",), ("--dry-run",)])
def test_a_time_that_has_passed(
    cli: Cli, people: Path, option: str, how: tuple[str, ...]
) -> None:
    late = (option, "2001-01-01T00:00:00Z")
    done = cli("send", people, "--template", "Hi", *late, *how)
    refused(done, 3, option, "2001-01-01 00:00:00Z has passed", "a later time")
    if "--dry-run" not in how:
        assert json.loads(cli("list", "--json").stdout) == []


def test_a_rate_without_end_is_not_set(cli: Cli) -> None:
    refused(cli("providers", "set-rate", "sandbox", "inf"), 2, "PARTS_PER_S")


def test_a_list_of_a_header_alone_has_no_recipients(cli: Cli, folder: Path) -> None:
    (folder / "list.csv").write_text("to,name\n")
    refused(
        cli("send", "list.csv", "--template", "Hi"), 3, "list.csv: has no recipients."
    )


def test_a_region_that_is_none(cli: Cli, people: Path) -> None:
    done = cli("send", people, "--template", "Hi", "--default-region", "UK")
    refused(done, 3, "default_region", "GB")


def test_an_unknown_provider_names_the_nearest(cli: Cli, people: Path) -> None:
    done = cli("send", people, "--template", "Hi", "--provider", "sandbax")
    refused(done, 6, "did you mean sandbox?")


def test_an_unknown_command_names_the_nearest(cli: Cli) -> None:
    refused(cli("sned"), 2, "send")


def test_a_provider_url_that_is_none(cli: Cli, people: Path, folder: Path) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers:\n  acme: {kind: http, url: acme, body: {to: <to>, text: <text>}}\n"
    )
    refused(cli("send", people, "--template", "Hi"), 4, "acme", "line 2")


@pytest.mark.parametrize("place", ["people.csv/x.db", "/proc/x.db", "no/such/x.db"])
def test_a_database_that_cannot_be_made(cli: Cli, people: Path, place: str) -> None:
    done = cli("--database", place, "send", people, "--template", "Hi")
    refused(done, 7, "x.db", "directory must exist")


def test_a_database_that_is_none(cli: Cli, people: Path) -> None:
    before = people.read_bytes()
    done = cli("--database", people, "send", people, "--template", "Hi")
    refused(done, 7, "no SQLite database")
    assert people.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("show", "b"), ("verify",), ("pause", "b"), ("recipients", "b")],
)
def test_looking_makes_no_database(
    cli: Cli, folder: Path, arguments: tuple[str, ...]
) -> None:
    refused(cli(*arguments), 7, "no such file")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    ["show", "watch", "recipients", "pause", "resume", "abort", "retry", "events"],
)
def test_an_unknown_batch(cli: Cli, people: Path, command: str) -> None:
    cli("send", people, "--template", "Hi", "--no-wait")
    refused(cli(command, "nope"), 5, "nope", "batchwire list")


def test_an_error_is_json_where_json_is_asked_for(cli: Cli) -> None:
    done = cli("send", "nowhere.csv", "--template", "Hi", "--json")
    assert done.stderr == ""
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "unreadable_list"
    assert "nowhere.csv" in error["message"]
