"""``batchwire serve``: the engine as a service on its database."""

from typing import Annotated

import typer

from batchwire.bootstrap import opened
from batchwire.cli import output, session
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json
from batchwire.config import Settings

app = typer.Typer(add_completion=False)


@app.command("serve")
def command(
    ctx: typer.Context,
    *,
    until_idle: Annotated[
        bool,
        typer.Option("--until-idle", help="End when no batch goes on by itself."),
    ] = False,
    json: Json = False,
) -> None:
    """
    Run the engine: prepare and deliver whatever batches there are.

    Other commands work beside it. Ctrl-C or SIGTERM drains; a second one ends at once.
    """
    settings = session.settings_of(ctx, log_level="")
    is_stopped = session.run(_serve(settings, until_idle=until_idle, as_json=json))
    if json:
        output.json_line({"stopped": is_stopped})
    raise typer.Exit(ExitCode.OK)


async def _serve(settings: Settings, *, until_idle: bool, as_json: bool) -> bool:
    """Serve; returns whether somebody stopped it."""
    async with opened(settings) as app:
        with session.stopping() as stop:
            if not as_json:
                output.note(f"engine on {settings.database_name}; Ctrl-C drains")
            events = app.events.service(consumes=True, relays=True)
            await events.start()
            try:
                await app.engine.run(stop, until_idle=until_idle)
            finally:
                await events.stop()
            return stop.is_set()
