"""``batchwire doctor``: whether the brokers can be used, or which step fails and why."""

import typer

from batchwire.adapters.kafka.diagnosis import Examination
from batchwire.adapters.kafka.troubles import Counts, Trouble, troubles
from batchwire.bootstrap import App
from batchwire.bootstrap.events import kafka
from batchwire.cli import output, session
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json
from batchwire.config import Settings
from batchwire.errors import BatchwireError

app = typer.Typer(add_completion=False)


@app.command("doctor")
def command(ctx: typer.Context, *, json: Json = False) -> None:
    """
    Take the way to Kafka step by step, and say what to do where it ends.

    Name, port, TLS, SASL, metadata, listeners, topic, authorisation, lag; the first step
    that fails is the last.
    """
    settings = session.database_settings_of(ctx)
    found: Examination = kafka("kafka_administration").examine(settings)
    told = troubles(found, _counts(settings))
    if json:
        output.as_json({"steps": found.steps, "lag": found.lag, "troubles": told})
    else:
        for step in found.steps:
            output.line(
                f"{'ok' if step.is_ok else 'FAILED':7}{step.check}: {step.seen}"
            )
        for trouble in told:
            _show(trouble)
    raise typer.Exit(ExitCode.BROKER if found.failed else ExitCode.OK)


def _counts(settings: Settings) -> Counts:
    """Ask the database; the examination stands without it."""

    async def counts(app: App) -> Counts:
        group = app.settings.batch_events.consumer.group_id
        return Counts(
            dead_letters=await app.events.dead_letters.count(),
            duplicates=await app.events.inbox.repeats(group),
        )

    try:
        return session.work_on(settings, counts)
    except BatchwireError as error:
        output.note(f"dead letters and repeats are not counted: {error}")
        return Counts()


def _show(trouble: Trouble) -> None:
    output.line()
    output.line(f"{trouble.name}: {trouble.seen}")
    for advice in trouble.advice:
        output.line(f"  - {advice}")
