"""``batchwire dlq discard``."""

from typing import Annotated

import typer

from batchwire.bootstrap import App
from batchwire.cli import dead_letters, operation, output, session
from batchwire.cli.dead_letters import Everything, Ids, OfBatch, OfDisposition, Since
from batchwire.cli.options import Json, Operator


def command(  # noqa: PLR0913 - a parameter is an option
    ctx: typer.Context,
    ids: Ids = None,
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    batch: OfBatch = "",
    disposition: OfDisposition = None,
    since: Since = "",
    everything: Everything = False,
    operator: Operator = "",
    json: Json = False,
) -> None:
    """Forget dead letters for good; their events count as handled."""
    wanted = dead_letters.meant(
        dead_letters.chosen(ids, batch, disposition, since), everything=everything
    )

    async def discard(app: App) -> list[int]:
        await dead_letters.must_exist(app, wanted)
        by = operation.operator(operator)
        return await app.events.redriver().discard(wanted, by, reason)

    gone = session.on_database(ctx, discard)
    if json:
        output.as_json({"discarded": gone})
    else:
        output.line(f"{len(gone):,} discarded")
