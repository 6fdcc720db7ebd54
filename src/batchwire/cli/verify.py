"""``batchwire verify``: whether log, ledger and counts agree."""

from typing import Annotated

import typer

from batchwire.bootstrap import App
from batchwire.cli import output, session, views
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
    purged: dict[str, str] = {}

    async def check(app: App) -> dict[str, list[str]]:
        batches = (
            [await app.store.batch(batch_id)] if batch_id else await app.store.batches()
        )
        for one in batches:
            if at := output.moment(views.purged_at(one)):
                purged[one.spec.batch_id] = f"; recipients purged {at}: sums only"
        ids = [one.spec.batch_id for one in batches]
        return {one: await app.store.verify(one) for one in ids}

    found = session.on_database(ctx, check)
    if json:
        output.as_json(found)
    else:
        for one, problems in found.items():
            told = "; ".join(problems) or "no contradiction"
            output.line(f"{one}: {told}{purged.get(one, '')}")
    raise typer.Exit(ExitCode.NOT_GOOD if any(found.values()) else ExitCode.OK)
