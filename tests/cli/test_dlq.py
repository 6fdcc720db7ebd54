"""Dead letters at the command line."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from batchwire.adapters.sql.event_doors import SqlInbox
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.system.clock import SystemClock
from batchwire.cli.dead_letters import masked
from batchwire.domain.dead_letter import Disposition
from batchwire.domain.record import Place, Record
from batchwire.ports.inbox import Arrival, Bury

Cli = Callable[..., CompletedProcess[str]]

VALUE = b'{"to": "\\u002b49171\\u00312345678", "batch_id": "b1"}'


async def _bury(path: Path, batch_ids: tuple[str, ...]) -> None:
    database = SqliteDatabase(str(path))
    await database.open()
    bury = Bury(
        disposition=Disposition.UNKNOWN_BATCH,
        message="+4917112345678 is no name",
        topic="sms-batch-events",
        dead_letter_topic="sms-batch-events.dlq",
    )
    work = [
        (
            Arrival(
                consumer="group",
                event_id=f"e{n}",
                batch_id=batch_id,
                record=Record(
                    key=batch_id.encode(),
                    value=VALUE,
                    headers=(("ce_id", f"e{n}".encode()),),
                    place=Place("sms-batch-events", 0, n),
                ),
            ),
            bury,
        )
        for n, batch_id in enumerate(batch_ids)
    ]
    await SqlInbox(database, SystemClock()).apply(work)
    await database.close()


@pytest.fixture
def letters(folder: Path) -> None:
    """Keep three dead letters, the first two of one batch."""
    asyncio.run(_bury(folder / "batchwire.db", ("b1", "b1", "b2")))


def shown(cli: Cli, *arguments: str) -> list[int]:
    return [one["id"] for one in json.loads(cli("dlq", *arguments, "--json").stdout)]


@pytest.mark.usefixtures("letters")
def test_list_filters(cli: Cli) -> None:
    assert shown(cli, "list") == [1, 2, 3]
    assert shown(cli, "list", "--batch", "b1") == [1, 2]
    assert shown(cli, "list", "--limit", "1") == [1]
    assert shown(cli, "list", "--disposition", "conflict") == []
    assert shown(cli, "list", "--since", "2999-01-01T00:00:00Z") == []
    assert cli("dlq", "list", "--disposition", "conflict").stdout == "no dead letters\n"
    table = cli("dlq", "list")
    assert table.stdout.splitlines()[1].split()[:4] == [
        "1",
        "waits",
        "unknown-batch",
        "b1",
    ]
    assert table.stderr == "3 wait for a decision\n"
    assert "12345678" not in table.stdout


@pytest.mark.usefixtures("letters")
def test_show_masks_numbers_unless_told_not_to(cli: Cli) -> None:
    for words in (("dlq", "show", "1"), ("dlq", "show", "1", "--json")):
        told = cli(*words).stdout
        assert "+49********678" in told
        assert "12345678" not in told
        assert VALUE.decode() in cli(*words[:3], "--raw").stdout
    letter = json.loads(cli("dlq", "show", "1", "--json").stdout)
    assert letter["headers"] == [["ce_id", "e0"]]
    assert cli("dlq", "show", "9").returncode == 2


@pytest.mark.usefixtures("letters")
def test_a_dry_run_changes_nothing(cli: Cli) -> None:
    done = cli("dlq", "redrive", "--everything", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "3 would go\n")
    assert shown(cli, "list") == [1, 2, 3]


@pytest.mark.usefixtures("letters")
def test_a_redrive_says_who_is_held(cli: Cli) -> None:
    done = cli("dlq", "redrive", "2", "3", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "dry_run": False,
        "sent": [3],
        "quarantined": [],
        "held": [2],
    }
    told = cli("dlq", "redrive", "2")
    assert told.stdout == (
        "0 redriven\n1 held behind an earlier one of their batch: 2\n"
    )
    assert cli("dlq", "redrive", "--batch", "b1", "--operator", "eve").returncode == 0
    assert shown(cli, "list") == []
    everything = json.loads(cli("dlq", "list", "--all", "--json").stdout)
    assert [one["state"] for one in everything] == ["redriven"] * 3
    assert everything[0]["redriven_by"] == "eve"


@pytest.mark.usefixtures("letters")
def test_a_limit_takes_the_oldest(cli: Cli) -> None:
    words = ("dlq", "redrive", "--everything", "--limit", "2", "--rate", "1000")
    assert cli(*words).stdout == "2 redriven\n"
    assert shown(cli, "list") == [3]


@pytest.mark.usefixtures("letters")
def test_a_letter_redriven_too_often_is_quarantined(cli: Cli, folder: Path) -> None:
    (folder / "batchwire.yaml").write_text("batch_events: {max_replays: 1}\n")
    assert cli("dlq", "redrive", "3").returncode == 0
    asyncio.run(_bury(folder / "batchwire.db", ("b1", "b1", "b2")))
    [letter] = json.loads(cli("dlq", "list", "--batch", "b2", "--json").stdout)
    assert (letter["state"], letter["replays"]) == ("quarantined", 1)
    again = cli("dlq", "redrive", "3")
    assert again.returncode == 1
    assert "1 quarantined" in again.stdout


@pytest.mark.usefixtures("letters")
def test_discard_needs_a_reason(cli: Cli) -> None:
    assert cli("dlq", "discard", "1").returncode == 2
    done = cli("dlq", "discard", "1", "--reason", "useless", "--operator", "eve")
    assert done.stdout == "1 discarded\n"
    told = json.loads(done.stderr)
    assert (told["event"], told["by"]) == ("dead_letters_discarded", "eve")
    assert (told["reason"], told["letters"]) == ("useless", [1])
    assert shown(cli, "list") == [2, 3]
    gone = cli("dlq", "discard", "--everything", "--reason", "all", "--json")
    assert json.loads(gone.stdout) == {"discarded": [2, 3]}


@pytest.mark.usefixtures("letters")
def test_all_are_meant_only_where_somebody_says_so(cli: Cli) -> None:
    for words in (("redrive",), ("discard", "--reason", "x")):
        done = cli("dlq", *words)
        assert done.returncode == 2
        assert "--everything" in done.stderr
    assert shown(cli, "list") == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("call 0049 171 12345678 now", "call 004***********678 now"),
        ("+44 (0)20 7946 0000", "+44*************000"),
        ('"+447911123456"', '"+44*******456"'),
        ("2024-01-01T00:03:00.123456789Z", "2024-01-01T00:03:00.123456789Z"),
        (
            "0190163d-8694-739b-aea5-966c26f8ad91",
            "0190163d-8694-739b-aea5-966c26f8ad91",
        ),
        ("priority 5 of 100", "priority 5 of 100"),
    ],
)
def test_what_may_be_a_number_is_masked(text: str, told: str) -> None:
    assert masked(text) == told
