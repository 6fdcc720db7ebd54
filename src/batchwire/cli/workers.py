"""``batchwire workers``: who works on the database, on whichever machine."""

import typer

from batchwire.bootstrap import App
from batchwire.cli import output, session
from batchwire.cli.options import Json
from batchwire.ports.workers import Worker

app = typer.Typer(add_completion=False)


@app.command("workers")
def command(ctx: typer.Context, *, json: Json = False) -> None:
    """
    List the living engines and relays: where, since when, last heard of, chunks held.

    Consumers are members of the topic's group; `batchwire doctor` looks after them.
    """

    async def read(app: App) -> list[Worker]:
        return await app.store.living()

    found = session.on_database(ctx, read)
    if json:
        output.as_json(found)
    elif found:
        output.table(
            ["role", "host:pid", "since", "heard", "chunks"],
            [_row(worker) for worker in found],
        )
    else:
        output.line("nobody is at work")


def _row(worker: Worker) -> list[str]:
    return [
        worker.role,
        worker.process,
        output.moment(worker.since),
        f"{worker.heard_s:.0f} s ago",
        f"{worker.chunks:,}",
    ]
