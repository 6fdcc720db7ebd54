"""``batchwire db``: the database itself."""

from typing import Annotated

import typer

from batchwire.bootstrap.databases import copied, upgraded
from batchwire.cli import output, session
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json
from batchwire.cli.steps import Steps
from batchwire.config import Settings
from batchwire.config.database_url import one_spelling

app = typer.Typer(name="db", add_completion=False, help="Look after the database.")


@app.command("upgrade")
def upgrade(ctx: typer.Context, *, json: Json = False) -> None:
    """
    Bring the schema to what this version of the program works with.

    Where it is that already, nothing happens. On PostgreSQL stop first what works on it.
    """
    settings = session.settings_of(ctx)
    before, after = session.run(upgraded(settings))
    if json:
        output.as_json({"before": before, "after": after})
    elif before == after:
        output.line(f"the schema is {after} already")
    else:
        output.line(f"the schema is {after} now; it was {before or 'empty'}")


@app.command("copy")
def copy(
    ctx: typer.Context,
    *,
    to: Annotated[str, typer.Option(help="The empty database that it is copied into.")],
    source: Annotated[
        str, typer.Option("--from", help="What is copied, instead of the settings'.")
    ] = "",
    json: Json = False,
) -> None:
    """
    Copy everything into another database, batches in progress included.

    Stop what works on both first. Batches go on there from where they stand: name the
    new database in the settings and start `batchwire serve`. The source stays as it is,
    its batches too: an engine there would send to the rest a second time.
    """
    settings = session.settings_of(ctx)
    one = _with(settings, "--from", source) if source else settings
    other = _with(settings, "--to", to)
    if one.database_url == other.database_url:
        raise typer.BadParameter("--to: that is the source itself; name another one")
    session.check_existence(one)
    with Steps(is_quiet=json) as steps:
        done = session.run(copied(one, other, steps.tell))
    if json:
        output.as_json(done)
    else:
        if done.is_anew:
            output.line("an earlier copy was cut short; it was removed and made anew")
        rows = sum(done.rows.values())
        output.line(f"copied {rows:,} rows; verified {done.batches:,} batches")
        output.note(
            "start no engine on the source any more, best rename it: who is still to be"
            " sent to would be, by both"
        )
        for batch_id, problems in done.contradictions.items():
            output.line(f"{batch_id}, as in the source: {'; '.join(problems)}")
    raise typer.Exit(ExitCode.NOT_GOOD if done.contradictions else ExitCode.OK)


def _with(settings: Settings, option: str, url: str) -> Settings:
    try:
        return settings.model_copy(update={"database_url": one_spelling(url)})
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None
