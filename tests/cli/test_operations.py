"""Looking at batches, and operating on them."""

import contextlib
import csv
import io
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest

from batchwire.adapters.sandbox import SandboxProvider
from batchwire.cli.exit_codes import ExitCode
from batchwire.domain.outcome import Answer, Message, Verdict

Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture
def sent(cli: Cli, people: Path, folder: Path) -> str:
    """Send a batch in which one recipient fails; give its id."""
    (folder / "batchwire.yaml").write_text(
        "providers:\n  sandbox: {permanent_suffix: '79', permanent_code: '30007'}\n"
    )
    cli("send", people, "--template", "Hi {{name}}", "--batch-id", "b1")
    return "b1"


@pytest.fixture
def waiting(cli: Cli, people: Path) -> str:
    """Make a batch that nobody delivers; give its id."""
    cli("send", people, "--template", "Hi", "--batch-id", "b1", "--no-wait")
    return "b1"


def test_list_shows_every_batch(cli: Cli, sent: str) -> None:
    assert sent in cli("list").stdout
    assert cli("list", "--status", "aborted").stdout == "no batches\n"
    assert [one["batch_id"] for one in json.loads(cli("list", "--json").stdout)] == [
        sent
    ]


def test_show_prints_the_closed_ledger(cli: Cli, sent: str) -> None:
    lines = [line.split() for line in cli("show", sent).stdout.splitlines()]
    assert [sent + ":", "completed"] in lines
    assert ["failed", "1", "25.00%"] in lines
    assert ["=", "recipients", "4"] in lines


def test_who_is_not_prepared_yet_stands_in_the_ledger_too(
    cli: Cli, waiting: str
) -> None:
    lines = [line.split() for line in cli("show", waiting).stdout.splitlines()]
    assert ["not", "prepared", "4", "100.00%"] in lines
    assert ["=", "recipients", "4"] in lines


def test_whom_a_killed_engine_may_have_submitted_to_is_told_until_it_is_settled(
    cli: Cli, start: Callable[..., Popen[str]], people: Path, folder: Path
) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers:\n  sandbox: {latency_ms: 60000}\n"
    )
    engine = start("send", people, "--template", "Hi", "--batch-id", "b1")
    _until_intended(folder / "batchwire.db")
    engine.kill()
    engine.wait()
    told = "b1: an engine ended without the answers of up to 2 recipients"
    for words in (("show", "b1"), ("abort", "b1"), ("recipients", "b1"), ("verify",)):
        assert told in cli(*words).stderr
    cli("serve", "--until-idle")
    shown = cli("show", "b1")
    assert told not in shown.stderr
    assert ["uncertain", "2"] in [
        line.split()[:2] for line in shown.stdout.splitlines()
    ]


def _until_intended(database: Path) -> None:
    query = "SELECT max(intent) FROM chunks"
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with (
            contextlib.suppress(sqlite3.OperationalError),  # it is not there yet
            contextlib.closing(
                sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            ) as reading,
        ):
            if reading.execute(query).fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError


def test_recipients_stand_in_the_order_of_the_list(cli: Cli, sent: str) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("recipients", sent, "--csv").stdout)))
    assert [row["outcome"] for row in rows] == [
        "accepted",
        "duplicate",
        "invalid",
        "failed",
    ]
    assert [row["number"] for row in rows][2:] == ["call me", "+4917112345679"]
    assert rows[3]["error_class"] == "permanent"
    assert rows[3]["attempts"] == "1"
    assert rows[0]["provider_message_id"]
    for row in rows:
        told = datetime.fromisoformat(row["at"])
        assert timedelta(0) < datetime.now(UTC) - told < timedelta(minutes=5)


def test_an_id_of_a_provider_is_shown_without_what_a_terminal_would_act_on(
    cli: Cli, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def submit(_: object, messages: Sequence[Message]) -> list[Answer]:
        return [Answer(Verdict.ACCEPTED, "m\x1b[2J\u202e1")] * len(messages)

    monkeypatch.setattr(SandboxProvider, "submit", submit)
    cli("send", people, "--template", "Hi", "--batch-id", "b1")
    assert "  m [2J 1\n" in cli("recipients", "b1").stdout
    as_they_are = cli("recipients", "b1", "--json").stdout.splitlines()
    assert json.loads(as_they_are[0])["provider_message_id"] == "m\x1b[2J\u202e1"


def test_recipients_are_chosen_by_outcome_and_number(cli: Cli, sent: str) -> None:
    failed = cli("recipients", sent, "--outcome", "failed", "--json").stdout
    assert json.loads(failed)["position"] == 3
    found = cli("recipients", sent, "--number", "0049 171 123456-78", "--json").stdout
    positions = [json.loads(line)["position"] for line in found.splitlines()]
    assert positions == [0, 1]


def test_a_number_is_looked_for_in_all_batches(
    cli: Cli, sent: str, people: Path
) -> None:
    cli("send", people, "--template", "Hi", "--batch-id", "other")
    asked = ("recipients", "--number", "0049 171 123456-78")
    lines = cli(*asked, "--json").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["batch_id"] for one in found] == ["other", "other", sent, sent]
    assert sent in cli(*asked).stdout
    nobody = cli("recipients", "--number", "+4915100000000")
    assert nobody.stderr == "there is nobody that fits\n"
    assert cli("recipients").returncode == 2


def test_show_tells_what_was_sent(cli: Cli, people: Path) -> None:
    text = "Hi {{name}}, {{code}}"
    asked = ("--template", text, "--param", "code=7", "--batch-id", "b")
    done = cli("send", people, *asked)
    assert "the provider sandbox is a sandbox: nothing is really sent\n" in done.stderr
    lines = [line.split(maxsplit=1) for line in cli("show", "b").stdout.splitlines()]
    assert ["template", repr(text)] in lines
    assert ["parameters", "code='7'"] in lines
    shown = json.loads(cli("show", "b", "--json").stdout)
    assert (shown["template"], shown["params"]) == (text, {"code": "7"})


def test_csv_and_json_exclude_each_other(cli: Cli, sent: str) -> None:
    assert cli("recipients", sent, "--csv", "--json").returncode == 2


def test_retry_takes_up_who_failed(cli: Cli, sent: str, folder: Path) -> None:
    (folder / "batchwire.yaml").unlink()  # from now on nobody is refused
    assert cli("retry", sent, "--error-class", "transient").returncode == 5
    retried = cli("retry", sent, "--error-class", "permanent", "--reason", "mended")
    assert retried.returncode == 0
    assert "batchwire serve" in retried.stderr
    assert cli("serve", "--until-idle", "--json").returncode == 0
    batch = json.loads(cli("show", sent, "--json").stdout)
    assert batch["counts"]["failed"] == 0
    assert batch["counts"]["accepted"] == 2


def test_pause_resume_and_abort(cli: Cli, waiting: str) -> None:
    def status(*arguments: str) -> object:
        return json.loads(cli(*arguments, "--json").stdout)["status"]

    assert status("pause", waiting, "--operator", "eve") == "preparation_paused"
    assert status("resume", waiting) == "preparation_ready"
    assert status("abort", waiting) == "aborted"
    refused = cli("resume", waiting)
    assert refused.returncode == 5
    assert "the status is aborted" in refused.stderr


def test_the_same_operation_request_is_answered_once(cli: Cli, waiting: str) -> None:
    for _ in range(2):
        assert cli("pause", waiting, "--request-id", "o1").returncode == 0
    events = json.loads(cli("events", waiting, "--json").stdout)["events"]
    assert [event["type"] for event in events].count("batch_operation") == 1


def test_an_operation_request_of_other_content_is_refused(
    cli: Cli, sent: str, folder: Path
) -> None:
    (folder / "batchwire.yaml").unlink()
    asked = ("retry", sent, "--request-id", "o1")
    assert cli(*asked, "--error-class", "permanent").returncode == 0
    before = cli("events", sent, "--json").stdout
    for other in (("--outcome", "expired"), ("--error-class", "transient"), ()):
        refused = cli(*asked, *other)
        assert refused.returncode == 5
        assert "request o1 was to retry it with selection" in refused.stderr
        assert "needs a request_id of its own" in refused.stderr
    assert cli("abort", sent, "--request-id", "o1").returncode == 5
    assert cli(*asked, "--error-class", "permanent").returncode == 0
    assert cli("events", sent, "--json").stdout == before


def test_who_and_why_are_kept(cli: Cli, waiting: str) -> None:
    cli("pause", waiting, "--reason", "lunch", "--operator", "eve")
    told = cli("events", waiting).stdout
    assert "operator_id=eve" in told
    assert "state: preparation_paused (lunch)" in told


def test_events_are_told_to_the_second_and_all_digits_in_json(
    cli: Cli, sent: str
) -> None:
    rows = [line.split() for line in cli("events", sent).stdout.splitlines()[1:]]
    first = json.loads(cli("events", sent, "--json").stdout)["events"][0]
    assert rows[0][1] == f"{first['at'][:19]}Z"
    assert "." in first["at"]


def test_events_fold_to_the_state_at_a_time(cli: Cli, sent: str) -> None:
    events = json.loads(cli("events", sent, "--json").stdout)["events"]
    early = json.loads(cli("events", sent, "--as-of", events[1]["at"], "--json").stdout)
    assert len(early["events"]) == 2
    assert early["state"]["status"] == "preparation_running"
    before = cli("events", sent, "--as-of", "2001-01-01T00:00:00Z")
    assert "did not exist yet" in before.stdout


def test_a_second_as_it_is_printed_has_all_its_events(cli: Cli, sent: str) -> None:
    events = json.loads(cli("events", sent, "--json").stdout)["events"]
    second = cli("events", sent).stdout.splitlines()[1].split()[1]
    fitting = [event for event in events if event["at"][:19] == second[:19]]

    def until(time: str) -> object:
        told = cli("events", sent, "--as-of", time, "--json")
        return json.loads(told.stdout)["events"]

    assert until(second) == fitting
    assert until(second.replace("Z", ".000000Z")) == []


def test_verify_finds_what_was_changed(cli: Cli, sent: str, folder: Path) -> None:
    assert cli("verify", sent).stdout == "b1: no contradiction\n"
    _spoil(folder / "batchwire.db")
    found = cli("verify", "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout)[sent]


def test_verify_of_all_finds_a_page_that_no_batch_is_read_from(
    cli: Cli, sent: str, folder: Path
) -> None:
    assert cli("verify").stdout == "b1: no contradiction\n"
    database = folder / "batchwire.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'suppressions'"
        ).fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
    assert cli("verify", sent).returncode == ExitCode.OK
    found = cli("verify")
    assert found.returncode == ExitCode.STORE
    assert "is damaged" in found.stderr
    assert "restore it from a backup" in found.stderr


def _spoil(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("DELETE FROM events WHERE sequence = 2")
        connection.commit()


def test_config_shows_who_set_what(cli: Cli) -> None:
    shown = json.loads(cli("--database", "x.db", "config", "show", "--json").stdout)
    assert {"key": "database_url", "value": "sqlite:///x.db", "origin": "flag"} in shown
    assert "log_level" in cli("config", "show").stdout


def test_config_check_lists_every_problem(cli: Cli, folder: Path) -> None:
    (folder / "batchwire.yml").write_text("log_level: loud\n")  # nobody reads it
    without = cli("config", "check")
    assert without.returncode == 0
    assert "there is no batchwire.yaml" in without.stderr
    (folder / "batchwire.yaml").write_text("log_level: warning\n")
    good = cli("config", "check")
    assert (good.returncode, good.stdout, good.stderr) == (
        0,
        "the settings are good\n",
        "",
    )
    (folder / "batchwire.yaml").write_text("log_level: loud\nenginge: {}\n")
    done = cli("config", "check")
    assert done.returncode == 4
    assert len(done.stdout.splitlines()) == 2
    assert len(json.loads(cli("config", "check", "--json").stdout)) == 2


def test_config_check_looks_for_secrets_and_files_of_providers(
    cli: Cli, folder: Path
) -> None:
    http = "kind: http, url: 'https://a.example', body: {to: <to>, text: <text>}"
    (folder / "batchwire.yaml").write_text(
        "default_provider: a\nproviders:\n"
        f"  a: {{{http}, auth: {{kind: bearer, token_env: NO_SUCH_TOKEN}}}}\n"
        f"  b: {{{http}, ca_file: none.pem}}\n"
        f"  c: {{{http}}}\n"
    )
    done = cli("config", "check")
    assert done.returncode == 4
    secret, file = done.stdout.splitlines()
    assert "provider a: the environment variable NO_SUCH_TOKEN is not set" in secret
    assert "provider b: ca_file none.pem cannot be read" in file


MISTAKES = [
    "providers:\n  acme: {kind: sandbox, concurency: 5}\n",
    "default_provider: acme\n",
    "engine: {chunk_size: 0}\n",
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_that_concerns_sending_takes_no_operation_away(
    cli: Cli, folder: Path, waiting: str, mistake: str
) -> None:
    (folder / "batchwire.yaml").write_text(mistake)
    for words in (
        ("list",),
        ("show", waiting),
        ("recipients", waiting),
        ("events", waiting),
        ("verify",),
        ("workers",),
        ("dlq", "list"),
        ("pause", waiting),
        ("resume", waiting),
        ("abort", waiting),
        ("watch", waiting),
    ):
        done = cli(*words)
        assert done.returncode == (1 if words[0] == "watch" else 0), words
        assert done.stderr.count("note: ") == 1, words
        assert done.stderr.splitlines()[0].endswith("; this command does without")
    assert json.loads(cli("show", waiting, "--json").stdout)["status"] == "aborted"


def test_what_was_left_aside_is_told_with_its_place(
    cli: Cli, folder: Path, waiting: str
) -> None:
    (folder / "batchwire.yaml").write_text(MISTAKES[0])
    assert cli("pause", waiting).stderr.splitlines()[0] == (
        "note: providers.acme.concurency = *** (batchwire.yaml, line 2): there is no such"
        " setting; this command does without"
    )


def test_a_variable_that_fits_no_setting_takes_no_operation_away(
    cli: Cli, people: Path, waiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCHWIRE_ENGIN__CHUNK_SIZE", "5")
    for operation in ("pause", "resume", "abort"):
        done = cli(operation, waiting)
        assert done.returncode == 0
        assert done.stderr.startswith("note: engin.chunk_size = ")
        assert "BATCHWIRE_ENGIN__CHUNK_SIZE" in done.stderr
    assert cli("send", people, "--template", "Hi").returncode == 4
    monkeypatch.setenv("BATCHWIRE_DATABSE", "other.db")
    refused = cli("show", waiting)
    assert refused.returncode == 4
    assert "did you mean BATCHWIRE_DATABASE_URL?" in refused.stderr


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize(
    "words",
    [
        ("send", "people.csv", "--template", "Hi"),
        ("send", "people.csv", "--template", "Hi", "--provider", "sandbox"),
        ("serve", "--until-idle"),
        ("providers", "list"),
        ("providers", "set-rate", "sandbox", "5"),
        ("purge", "--older-than", "0d", "--yes"),
        ("config", "check"),
    ],
)
def test_a_mistake_that_concerns_sending_is_refused_by_what_sends_or_erases(
    cli: Cli, folder: Path, waiting: str, words: tuple[str, ...], mistake: str
) -> None:
    (folder / "batchwire.yaml").write_text(mistake)
    assert cli(*words).returncode == 4
    assert [one["batch_id"] for one in json.loads(cli("list", "--json").stdout)] == [
        waiting
    ]


@pytest.mark.parametrize(
    "mistake",
    ["database_url: mysql://db\n", "batch_events: {kafka: {topics: a}}\n", "a: {\n"],
)
def test_a_mistake_that_may_mean_another_database_or_topic_is_refused_by_all(
    cli: Cli, folder: Path, waiting: str, mistake: str
) -> None:
    (folder / "batchwire.yaml").write_text(MISTAKES[2] + mistake)
    done = cli("pause", waiting)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("error: ")
    (folder / "batchwire.yaml").unlink()
    shown = json.loads(cli("show", waiting, "--json").stdout)
    assert shown["status"] == "preparation_ready"


def test_a_second_provider_without_a_default_is_no_mistake_to_who_sends_nothing(
    cli: Cli, folder: Path, waiting: str
) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers: {a: {kind: sandbox}, b: {kind: sandbox}}\n"
    )
    assert "note: " not in cli("pause", waiting).stderr
    assert cli("abort", waiting).returncode == 0
    assert cli("providers", "list").returncode == 0
    done = cli("config", "check")
    assert done.returncode == 4
    assert done.stdout.startswith("default_provider: must be set, as there are several")
