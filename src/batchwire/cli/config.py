"""``batchwire config``: the settings in force, and what is wrong with them."""

import typer

from batchwire.cli import output
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Globals, Json
from batchwire.config import check, describe, load

app = typer.Typer(
    name="config", add_completion=False, help="Show or check the settings."
)


@app.command("show")
def show(ctx: typer.Context, *, json: Json = False) -> None:
    """Show the settings in force, and who set each; secrets are masked."""
    given: Globals = ctx.obj
    shown = describe(load(given.config, {"database_url": given.database}))
    if json:
        output.as_json([one._asdict() for one in shown])
    else:
        output.table(["setting", "value", "set by"], shown)


@app.command("check")
def check_all(ctx: typer.Context, *, json: Json = False) -> None:
    """Find everything that is wrong with the settings."""
    given: Globals = ctx.obj
    problems = check(given.config, {"database_url": given.database})
    if json:
        output.as_json([str(problem) for problem in problems])
    else:
        for problem in problems:
            output.line(str(problem))
        if not problems:
            output.line("the settings are good")
    raise typer.Exit(ExitCode.SETTINGS if problems else ExitCode.OK)
