"""``batchwire dlq redrive``."""

from typing import Annotated

import typer

from batchwire.bootstrap import App
from batchwire.cli import dead_letters, operation, output, session
from batchwire.cli.dead_letters import Everything, Ids, OfBatch, OfDisposition, Since
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json, Limit, Operator
from batchwire.events.redrive import Redriven


def command(  # noqa: PLR0913 - a parameter is an option
    ctx: typer.Context,
    ids: Ids = None,
    *,
    batch: OfBatch = "",
    disposition: OfDisposition = None,
    since: Since = "",
    everything: Everything = False,
    limit: Limit = 0,
    rate: Annotated[
        float, typer.Option(min=0, help="At most so many a second; 0 is no limit.")
    ] = 0.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would become of them.")
    ] = False,
    operator: Operator = "",
    json: Json = False,
) -> None:
    """
    Put dead letters back on their topic, where they are handled again.

    They keep their event id, and the order within a batch: a later one waits until every
    earlier one of its batch has gone too, or is discarded.
    """
    wanted = dead_letters.meant(
        dead_letters.chosen(ids, batch, disposition, since), everything=everything
    )

    async def redrive(app: App) -> Redriven:
        await dead_letters.must_exist(app, wanted)
        return await app.events.redriver().redrive(
            wanted,
            operation.operator(operator),
            limit=limit,
            rate_per_s=rate,
            is_dry_run=dry_run,
        )

    done = session.on_database(ctx, redrive)
    if json:
        output.as_json({"dry_run": dry_run, **_view(done)})
    else:
        _tell(done, "would go" if dry_run else "redriven")
    raise typer.Exit(ExitCode.OK if done.is_complete else ExitCode.NOT_GOOD)


def _view(done: Redriven) -> dict[str, list[int]]:
    return {"sent": done.sent, "quarantined": done.quarantined, "held": done.held}


def _tell(done: Redriven, verb: str) -> None:
    output.line(f"{len(done.sent):,} {verb}")
    if done.quarantined:
        output.line(
            f"{len(done.quarantined):,} quarantined (redriven max_replays times):"
            f" {_listed(done.quarantined)}"
        )
    if done.held:
        output.line(
            f"{len(done.held):,} held behind an earlier one of their batch:"
            f" {_listed(done.held)}"
        )


def _listed(ids: list[int]) -> str:
    few = ", ".join(map(str, ids[:10]))
    return few if len(ids) <= 10 else f"{few} …"  # noqa: PLR2004 - as many as above
