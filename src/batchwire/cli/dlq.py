"""``batchwire dlq``: what could not be handled, and what is to become of it."""

from datetime import datetime
from typing import Annotated

import typer
from msgspec.structs import replace

from batchwire.bootstrap import App
from batchwire.cli import dead_letters, dlq_discard, dlq_redrive, output, session
from batchwire.cli.dead_letters import OfBatch, OfDisposition, Since
from batchwire.cli.options import WHOLE, Json, Limit
from batchwire.domain.dead_letter import DeadLetter
from batchwire.ports.dead_letters import Filter

app = typer.Typer(
    name="dlq", add_completion=False, help="See dead letters, and decide on them."
)


@app.command("list")
def show_all(  # noqa: PLR0913 - a parameter is an option
    ctx: typer.Context,
    *,
    batch: OfBatch = "",
    disposition: OfDisposition = None,
    since: Since = "",
    limit: Limit = 100,
    include_redriven: Annotated[
        bool, typer.Option("--all", help="Those on their way again too.")
    ] = False,
    json: Json = False,
) -> None:
    """List the dead letters that wait for a decision, oldest first."""
    found = dead_letters.chosen(None, batch, disposition, since)
    wanted = replace(found, include_redriven=include_redriven)

    async def read(app: App) -> tuple[list[DeadLetter], int, int]:
        letters = await app.events.dead_letters.find(wanted, limit)
        waiting = await app.events.dead_letters.count()
        return letters, waiting, app.settings.batch_events.max_replays

    letters, waiting, max_replays = session.on_database(ctx, read)
    if json:
        output.as_json([dead_letters.view(one, max_replays) for one in letters])
    elif letters:
        dead_letters.table(letters, max_replays)
        output.note(f"{waiting:,} wait for a decision")
    else:
        output.line("no dead letters")


@app.command("show")
def show(
    ctx: typer.Context,
    letter_id: Annotated[
        int, typer.Argument(metavar="ID", max=WHOLE, help="As `dlq list` shows.")
    ],
    *,
    is_raw: Annotated[
        bool, typer.Option("--raw", help="With the telephone numbers in full.")
    ] = False,
    json: Json = False,
) -> None:
    """Show a dead letter whole: why, its headers, its value with numbers masked."""
    wanted = Filter(ids=(letter_id,), include_redriven=True)

    async def read(app: App) -> tuple[DeadLetter, int]:
        await dead_letters.must_exist(app, wanted)
        (letter,) = await app.events.dead_letters.find(wanted)
        return letter, app.settings.batch_events.max_replays

    letter, max_replays = session.on_database(ctx, read)
    told = dead_letters.whole(letter, max_replays, is_raw=is_raw)
    if json:
        output.as_json(told)
        return
    headers, value = told.pop("headers"), told.pop("value")
    rows = [[name, _written(text)] for name, text in told.items() if text is not None]
    output.table(["", ""], [*rows, *([f"header {n}", text] for n, text in headers)])
    output.line()
    output.line(value)


def _written(value: object) -> str:
    return output.moment(value) if isinstance(value, datetime) else str(value)


app.command("redrive")(dlq_redrive.command)
app.command("discard")(dlq_discard.command)
