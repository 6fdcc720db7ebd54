"""``batchwire verify``: whether log, ledger and counts agree."""

from typing import Annotated

import typer

from batchwire.bootstrap import App
from batchwire.cli import observed, output, session, views
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json
from batchwire.domain.batch import Batch
from batchwire.domain.observed import ObservedBatch

app = typer.Typer(add_completion=False)


@app.command("verify")
def command(
    ctx: typer.Context,
    batch_id: Annotated[
        str,
        typer.Argument(
            metavar="[BATCH]", help="One batch; else all, and the SQLite file."
        ),
    ] = "",
    *,
    json: Json = False,
) -> None:
    """Check that events, ledger and counts say the same; nothing is changed."""
    purged: dict[str, str] = {}

    async def check(app: App) -> dict[str, list[str]]:
        if not batch_id:
            await app.store.check()
        ids = [batch_id] if batch_id else await _all(app)
        batches = [await observed.found(app, one) for one in ids]
        purged.update(zip(ids, map(_purged, batches), strict=True))
        await views.warn_of_unanswered(app, batches)
        return {one: await app.store.verify(one) for one in ids}

    found = session.on_database(ctx, check)
    if json:
        output.as_json(found)
    else:
        for one, problems in found.items():
            told = "; ".join(problems) or "no contradiction"
            output.line(f"{one}: {told}{purged[one]}")
    raise typer.Exit(ExitCode.NOT_GOOD if any(found.values()) else ExitCode.OK)


def _purged(batch: Batch | ObservedBatch) -> str:
    """Say when a batch was purged; empty where it was not, or is not ours."""
    if isinstance(batch, ObservedBatch) or not batch.state.is_purged:
        return ""
    at = output.moment(views.purged_at(batch))
    return f"; its recipients were purged at {at}, so only sums are compared"


async def _all(app: App) -> list[str]:
    ours = [batch.spec.batch_id for batch in await app.store.batches()]
    return ours + [one.batch_id for one in await app.events.observed.find()]
