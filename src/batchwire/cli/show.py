"""``batchwire show``: one batch and its closed ledger."""

from datetime import UTC, datetime

import typer

from batchwire.bootstrap import App
from batchwire.cli import observed, output, session, views
from batchwire.cli.options import BatchId, Json
from batchwire.domain import operations
from batchwire.domain.batch import Batch
from batchwire.domain.observed import ObservedBatch

app = typer.Typer(add_completion=False)


@app.command("show")
def command(ctx: typer.Context, batch_id: BatchId, *, json: Json = False) -> None:
    """Show where a batch stands and what became of its recipients."""

    async def read(app: App) -> Batch | ObservedBatch:
        found = await observed.found(app, batch_id)
        await views.warn_of_no_engine(app, [found])
        await views.warn_of_unanswered(app, [found])
        return found

    batch = session.on_database(ctx, read)
    if isinstance(batch, ObservedBatch):
        if json:
            output.as_json(observed.view(batch))
        else:
            observed.show(batch)
        return
    if json:
        output.as_json(views.view(batch))
        return
    output.line(views.headline(batch))
    output.table(["", ""], [[name, text] for name, text in _facts(batch) if text])
    output.line()
    views.ledger(batch)


def _facts(batch: Batch) -> list[tuple[str, str]]:
    spec, state = batch.spec, batch.state
    rate = spec.rate_parts_per_s
    return [
        ("phase", f"{state.phase}, {views.progress(batch):.1%}"),
        ("limited by", batch.limited_by),
        ("provider", spec.provider),
        ("rate", f"{rate:,g} parts/s of its own" if rate else ""),
        ("list", spec.list.source),
        ("template", repr(spec.template)),
        ("parameters", ", ".join(f"{n}={v!r}" for n, v in spec.params.items())),
        ("parts", f"{batch.parts:,}"),
        ("escaped the pause", f"{state.escaped:,}" if state.escaped else ""),
        ("paused by", state.paused_by),
        ("tries again", output.moment(batch.resume_at)),
        ("scheduled for", output.moment(spec.schedule_time)),
        ("not after", output.moment(spec.not_after)),
        ("made", output.moment(spec.created_at)),
        ("started", output.moment(state.started_at)),
        ("ended", output.moment(state.ended_at)),
        ("recipients purged", output.moment(views.purged_at(batch))),
        ("what fits now", ", ".join(operations.fits(batch, datetime.now(UTC)))),
    ]
