"""``batchwire list``: the batches of the database."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from batchwire.bootstrap import App
from batchwire.cli import observed, output, session
from batchwire.cli.options import Json, Limit
from batchwire.cli.views import (
    EXECUTION,
    progress,
    recipients,
    view,
    warn_of_no_engine,
)
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
        found = await _read(app, tuple(status or ()), limit)
        await warn_of_no_engine(app, found)
        return found

    batches = session.on_database(ctx, read)
    if json:
        output.as_json([_view(batch) for batch in batches])
    elif batches:
        columns, rows = _table(batches)
        output.table(columns, rows, whole=["status"])
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
    never = datetime.min.replace(tzinfo=UTC)
    both.sort(key=lambda one: _made_at(one) or never, reverse=True)
    return both[:limit] if limit else both


def _made_at(batch: AnyBatch) -> datetime | None:
    return (batch.spec if isinstance(batch, Batch) else batch.state).created_at


def _view(batch: AnyBatch) -> dict[str, Any]:
    return view(batch) if isinstance(batch, Batch) else observed.view(batch)


def _table(batches: list[AnyBatch]) -> tuple[list[str], list[list[str]]]:
    """
    Give columns and rows; those of a terminal fit 80 columns, as far as ids allow.

    There the execution is told only where it is not ours alone. In a pipe the columns
    are always the same.
    """
    columns, rows = list(_COLUMNS), [_row(batch) for batch in batches]
    if not output.is_for_somebody():
        return columns, rows
    now = datetime.now(UTC)
    for row, batch in zip(rows, batches, strict=True):
        row[-1] = output.brief_moment(_made_at(batch), now)
    if all(isinstance(batch, Batch) for batch in batches):
        at = columns.index("execution")
        for line in (columns, *rows):
            del line[at]
    return columns, rows


def _row(batch: AnyBatch) -> list[str]:
    if isinstance(batch, ObservedBatch):
        return _row_of_observed(batch)
    return [
        batch.spec.batch_id,
        EXECUTION,
        batch.state.status,
        f"{progress(batch):.0%}",
        f"{recipients(batch):,}",
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
