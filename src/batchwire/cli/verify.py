"""``batchwire verify``: whether log, ledger and counts agree."""

from typing import Annotated

import typer

from batchwire.bootstrap import App
from batchwire.cli import output, session
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json

app = typer.Typer(add_completion=False)


@app.command("verify")
def command(
    ctx: typer.Context,
    batch_id: Annotated[
        str, typer.Argument(metavar="[BATCH]", help="One batch; else all of them.")
    ] = "",
    *,
    json: Json = False,
) -> None:
    """Check that events, ledger and counts say the same; nothing is changed."""

    async def check(app: App) -> dict[str, list[str]]:
        ids = [batch_id] if batch_id else await _all(app)
        return {one: await app.store.verify(one) for one in ids}

    found = session.on_database(ctx, check)
    if json:
        output.as_json(found)
    else:
        for one, problems in found.items():
            output.line(f"{one}: {'; '.join(problems) or 'no contradiction'}")
    raise typer.Exit(ExitCode.NOT_GOOD if any(found.values()) else ExitCode.OK)


async def _all(app: App) -> list[str]:
    ours = [batch.spec.batch_id for batch in await app.store.batches()]
    return ours + [one.batch_id for one in await app.events.observed.find()]
