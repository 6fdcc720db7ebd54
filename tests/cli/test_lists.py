"""Uploading lists at the command line."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import msgspec

from batchwire.adapters.sql.embedded_bus import EmbeddedProducer
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.system.clock import SystemClock
from batchwire.domain.record import Record
from batchwire.ports.bus import Outgoing

Cli = Callable[..., CompletedProcess[str]]


async def _request(path: Path, reference: str) -> None:
    body = {
        "request_id": "r1",
        "batch_id": "b1",
        "user_id": "u",
        "batch_type": "sms",
        "recipients_ref": reference,
        "template": "Hi {{name}}",
    }
    database = SqliteDatabase(str(path))
    await database.open()
    record = Record(
        key=b"b1",
        value=msgspec.json.encode(body),
        headers=(("message_type", b"batch_request"),),
    )
    producer = EmbeddedProducer(database, SystemClock())
    await producer.publish([Outgoing(topic="sms-batch-events", record=record)])
    await database.close()


def test_a_request_names_an_uploaded_list(
    cli: Cli, start: Callable[..., object], people: Path, folder: Path
) -> None:
    added = cli("lists", "add", people)
    assert added.returncode == 0
    assert "4 recipients; kept for 24 hours until a batch uses it\n" in added.stderr
    reference = added.stdout.strip()
    assert reference.startswith("list:upload-")
    asyncio.run(_request(folder / "batchwire.db", reference))
    start("serve")
    for _ in range(100):
        shown = cli("show", "b1", "--json")
        if shown.returncode == 0 and json.loads(shown.stdout)["status"] == "completed":
            break
        asyncio.run(asyncio.sleep(0.1))
    counts = json.loads(cli("show", "b1", "--json").stdout)["counts"]
    assert (counts["accepted"], counts["duplicate"], counts["invalid"]) == (2, 1, 1)


def test_json_names_the_columns(cli: Cli, people: Path) -> None:
    told = json.loads(cli("lists", "add", people, "--json").stdout)
    assert (told["records"], told["columns"]) == (4, ["to", "name"])


def test_a_bad_list_is_refused(cli: Cli, folder: Path) -> None:
    (folder / "bad.csv").write_text("to,to\n1,2\n")
    assert cli("lists", "add", "bad.csv").returncode == 3
    assert cli("lists", "add", "none.csv").returncode == 3
