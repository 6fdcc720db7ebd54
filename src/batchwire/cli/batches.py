"""``batchwire list``: the batches of the database."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from batchwire.bootstrap import App
from batchwire.cli import observed, output, session
from batchwire.cli.options import Json, Limit
from batchwire.cli.views import EXECUTION, progress, view
from batchwire.domain import counts
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Status
from batchwire.domain.observed import ObservedBatch

app = typer.Typer(add_completion=False)

AnyBatch = Batch | ObservedBatch
_COLUMNS = (
    "batch",
    "execution",
    "status",
    "progress",
    "recipients",
    "success",
    "failed",
    "made",
)


@app.command("list")
def command(
    ctx: typer.Context,
    *,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only these; may be repeated.")
    ] = None,
    limit: Limit = 0,
    json: Json = False,
) -> None:
    """List the batches, ours and those that others execute, newest first."""

    async def read(app: App) -> list[AnyBatch]:
        return await _read(app, tuple(status or ()), limit)

    batches = session.on_database(ctx, read)
    if json:
        output.as_json([_view(batch) for batch in batches])
    elif batches:
        output.table(_COLUMNS, [_row(batch) for batch in batches])
    else:
        output.line("no batches")


async def _read(app: App, statuses: tuple[Status, ...], limit: int) -> list[AnyBatch]:
    ours = await app.store.batches(statuses, limit)
    others = await app.events.observed.find()
    if statuses:
        others = [one for one in others if one.state.status in statuses]
    if not others:
        return [*ours]
    both: list[AnyBatch] = [*ours, *others]
    both.sort(key=_made_at, reverse=True)
    return both[:limit] if limit else both


def _made_at(batch: AnyBatch) -> datetime:
    if isinstance(batch, Batch):
        return batch.spec.created_at
    return batch.state.created_at or datetime.min.replace(tzinfo=UTC)


def _view(batch: AnyBatch) -> dict[str, Any]:
    return view(batch) if isinstance(batch, Batch) else observed.view(batch)


def _row(batch: AnyBatch) -> list[str]:
    if isinstance(batch, ObservedBatch):
        return _row_of_observed(batch)
    return [
        batch.spec.batch_id,
        EXECUTION,
        batch.state.status,
        f"{progress(batch):.0%}",
        f"{sum(batch.counts):,}",
        f"{counts.success(batch.counts):,}",
        f"{counts.failed(batch.counts):,}",
        output.moment(batch.spec.created_at),
    ]


def _row_of_observed(batch: ObservedBatch) -> list[str]:
    state = batch.state
    return [
        batch.batch_id,
        observed.EXECUTION,
        state.status,
        f"{state.progress:.0%}",
        f"{state.recipients:,}" if state.recipients else "",
        f"{state.success:,}",
        f"{state.failed:,}",
        output.moment(state.created_at),
    ]
