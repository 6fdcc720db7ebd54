"""``batchwire topics``: the topics of the events, made and compared."""

from collections.abc import Sequence
from math import isfinite
from typing import Annotated

import typer

from batchwire.adapters.kafka.topic_settings import (
    DAY_MS,
    Difference,
    TopicSettings,
    dead_letters,
)
from batchwire.bootstrap.events import kafka
from batchwire.cli import output, session
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json
from batchwire.config import Settings

app = typer.Typer(
    name="topics", add_completion=False, help="Make or check the topics of the events."
)
_MODULE = "kafka_administration"

Partitions = Annotated[
    int, typer.Option(min=1, help="Partitions of the events; the most readers at once.")
]
Replication = Annotated[
    int | None, typer.Option(min=1, help="Copies of each; else as the broker has it.")
]
MinInsync = Annotated[
    int | None,
    typer.Option(
        "--min-insync", min=1, help="Copies that must be written; less than all."
    ),
]
Retention = Annotated[
    float,
    typer.Option(
        "--retention-days", max=36_500, help="Days that events are kept; -1: ever."
    ),
]


@app.command("create")
def create(
    ctx: typer.Context,
    *,
    partitions: Partitions = 8,
    replication: Replication = None,
    min_insync: MinInsync = None,
    retention_days: Retention = 7.0,
    json: Json = False,
) -> None:
    """Make the topics that do not exist; what exists stays as it is, and is compared."""
    settings = session.settings_of(ctx)
    wanted = _wanted(settings, partitions, replication, min_insync, retention_days)
    created = kafka(_MODULE).create_topics(settings, wanted)
    differences = kafka(_MODULE).check_topics(settings, wanted)
    if json:
        output.as_json({"created": created, "differences": differences})
    else:
        for topic in wanted:
            made = "created" if topic.name in created else "is there already"
            output.line(f"{topic.name}: {made}")
        _show(differences)
    _end(differences)


@app.command("check")
def check(
    ctx: typer.Context,
    *,
    partitions: Partitions = 8,
    replication: Replication = None,
    min_insync: MinInsync = None,
    retention_days: Retention = 7.0,
    json: Json = False,
) -> None:
    """Say what is not as asked; nothing is changed."""
    settings = session.settings_of(ctx)
    wanted = _wanted(settings, partitions, replication, min_insync, retention_days)
    differences = kafka(_MODULE).check_topics(settings, wanted)
    if json:
        output.as_json({"differences": differences})
    else:
        _show(differences)
        if not differences:
            output.line("the topics are as asked")
    _end(differences)


def _wanted(
    settings: Settings,
    partitions: int,
    replication: int | None,
    min_insync: int | None,
    retention_days: float,
) -> list[TopicSettings]:
    if not isfinite(retention_days):
        raise typer.BadParameter("--retention-days: not a number of days")
    config = settings.batch_events.build()
    events = TopicSettings(
        name=config.kafka.topic,
        partitions=partitions,
        replication=replication,
        retention_ms=-1 if retention_days < 0 else int(retention_days * DAY_MS),
        min_insync_replicas=min_insync,
    )
    return [events, dead_letters(config.dead_letters_of(events.name), events)]


def _show(differences: Sequence[Difference]) -> None:
    rows = [(one.topic, one.setting, one.wanted, one.found) for one in differences]
    if rows:
        output.table(["topic", "setting", "wanted", "found"], rows)


def _end(differences: Sequence[Difference]) -> None:
    raise typer.Exit(ExitCode.BROKER if differences else ExitCode.OK)
