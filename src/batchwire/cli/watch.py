"""``batchwire watch``: follow a batch that an engine works on."""

from functools import cache

import typer

from batchwire.bootstrap import App
from batchwire.cli import following, observed, output, session
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import BatchId, Json
from batchwire.domain.observed import ObservedBatch

app = typer.Typer(add_completion=False)


@app.command("watch")
def command(ctx: typer.Context, batch_id: BatchId, *, json: Json = False) -> None:
    """Follow a batch until it has ended; Ctrl-C stops watching, not the batch."""

    async def watch(app: App) -> ExitCode:
        batch = await observed.found(app, batch_id)
        if isinstance(batch, ObservedBatch):
            with session.stopping() as stop:
                one = await observed.follow(app, batch_id, stop, is_quiet=json)
            return observed.result(one, as_json=json)
        alone = cache(output.no_engine)

        def goes_on_alone() -> bool:
            alone()
            return True

        with session.stopping() as stop:
            batch = await following.follow(
                app, batch_id, stop, goes_on_alone=goes_on_alone, is_quiet=json
            )
        return following.result(batch, as_json=json)

    raise typer.Exit(session.on_database(ctx, watch))
