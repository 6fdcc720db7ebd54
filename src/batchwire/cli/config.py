"""``batchwire config``: the settings in force, and what is wrong with them."""

import asyncio

import typer

from batchwire.adapters.system.clock import SystemClock
from batchwire.bootstrap import provider
from batchwire.cli import output
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Globals, Json
from batchwire.config import (
    DEFAULT_FILE,
    Settings,
    check,
    describe,
    has_file,
    load,
)
from batchwire.errors import ProviderSettingsRefused, SettingsError

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
    flags = {"database_url": given.database}
    problems = [str(problem) for problem in check(given.config, flags)]
    if not problems:
        problems = asyncio.run(_refusals(load(given.config, flags)))
    if json:
        output.as_json(problems)
    else:
        for problem in problems:
            output.line(problem)
        if not problems:
            output.line("the settings are good")
            if not has_file(given.config):
                output.note(
                    f"no file was read: there is no {DEFAULT_FILE} in this directory"
                )
    raise typer.Exit(ExitCode.SETTINGS if problems else ExitCode.OK)


async def _refusals(settings: Settings) -> list[str]:
    """
    Ask for the default, and open each provider.

    Opening connects to nothing, but wants its secrets and files.
    """
    found = []
    try:
        settings.demanded_default()
    except SettingsError as error:
        found.append(str(error))
    for name, one in settings.providers.items():
        made = provider(name, one, SystemClock())
        try:
            await made.open()
        except ProviderSettingsRefused as error:
            found.append(str(error))
        await made.close()
    return found
