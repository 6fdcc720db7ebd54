"""``batchwire list``: the batches of the database."""

from typing import Annotated

import typer

from batchwire.bootstrap import App
from batchwire.cli import output, session
from batchwire.cli.options import Json
from batchwire.cli.views import progress, view
from batchwire.domain import counts
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Status

app = typer.Typer(add_completion=False)


@app.command("list")
def command(
    ctx: typer.Context,
    *,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only these; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 is all.")] = 0,
    json: Json = False,
) -> None:
    """List the batches, newest first."""

    async def read(app: App) -> list[Batch]:
        return await app.store.batches(tuple(status or ()), limit)

    batches = session.on_database(ctx, read)
    if json:
        output.as_json([view(batch) for batch in batches])
    elif batches:
        output.table(
            ["batch", "status", "progress", "recipients", "success", "failed", "made"],
            [_row(batch) for batch in batches],
        )
    else:
        output.line("no batches")


def _row(batch: Batch) -> list[str]:
    return [
        batch.spec.batch_id,
        batch.state.status,
        f"{progress(batch):.0%}",
        f"{sum(batch.counts):,}",
        f"{counts.success(batch.counts):,}",
        f"{counts.failed(batch.counts):,}",
        output.moment(batch.spec.created_at),
    ]
