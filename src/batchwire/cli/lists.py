"""``batchwire lists``: lists stored for requests that name them."""

from typing import Annotated

import typer

from batchwire.bootstrap import opened
from batchwire.cli import output, session, values
from batchwire.cli.options import Json
from batchwire.config import Settings
from batchwire.engine.upload import Upload, Uploaded

app = typer.Typer(
    name="lists", add_completion=False, help="Store lists for requests that name them."
)


@app.callback()
def group() -> None:
    """Store lists for requests that name them."""


@app.command("add")
def add(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="LIST", help="A file, or - for standard input.")
    ],
    *,
    json: Json = False,
) -> None:
    """
    Check and store a list; prints the `recipients_ref` that a batch_request names it by.

    One that no request comes to use is removed after 24 hours.
    """
    done = session.run(_add(session.settings_of(ctx), source))
    if json:
        output.as_json(done)
        return
    output.line(done.reference)
    output.note(f"{done.records:,} recipients; kept for 24 hours until a batch uses it")


async def _add(settings: Settings, source: str) -> Uploaded:
    session.tell_if_new(settings)
    async with opened(settings) as app:
        data = values.pieces(source)
        return await Upload(app.store).keep(data, values.name_of(source))
