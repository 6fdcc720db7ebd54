"""``batchwire db``: the database itself."""

import typer

from batchwire.bootstrap.databases import upgraded
from batchwire.cli import output, session
from batchwire.cli.options import Json

app = typer.Typer(name="db", add_completion=False, help="Look after the database.")


@app.callback()
def group() -> None:
    """Look after the database."""


@app.command("upgrade")
def upgrade(ctx: typer.Context, *, json: Json = False) -> None:
    """
    Bring the schema to what this version of the program works with.

    Where it is that already, nothing happens. On PostgreSQL stop first what works on it.
    """
    settings = session.settings_of(ctx)
    before, after = session.run(upgraded(settings))
    if json:
        output.as_json({"before": before, "after": after})
    elif before == after:
        output.line(f"the schema is {after} already")
    else:
        output.line(f"the schema is {after} now; it was {before or 'empty'}")
