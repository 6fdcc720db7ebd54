"""``batchwire purge``: who the recipients of old batches were is forgotten."""

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import typer

from batchwire.bootstrap import App
from batchwire.cli import operation, output, session
from batchwire.cli.options import Json, Operator
from batchwire.cli.values import age_of
from batchwire.ports.retention import Ended

app = typer.Typer(add_completion=False)


@app.command("purge")
def command(
    ctx: typer.Context,
    *,
    older_than: Annotated[
        str, typer.Option(help="How long ago a batch ended: 90d, 2w, 36h.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    operator: Operator = "",
    json: Json = False,
) -> None:
    """
    Forget who the recipients of old batches were. Counts and audit log stay.

    Numbers, parameters, results and provider ids of batches that ended before then go,
    and records of the embedded topic that are older. Works beside a running service.
    """
    age = age_of("--older-than", older_than)
    # Strict, unlike on_database: what goes is gone for good, and can wait.
    settings = session.settings_of(ctx)
    if dry_run:

        async def look(app: App) -> None:
            before = app.clock.now() - age
            ended = [one async for one in app.retention.ended(before)]
            _show(before, ended, await app.retention.old(before), as_json=json)

        session.work_on(settings, look)
        return
    if not yes:
        _ask(older_than)

    async def purge(app: App) -> None:
        done = await app.purge.run(
            app.clock.now() - age,
            operation.operator(operator),
            lambda batch_id, rows: None if json else _tell(batch_id, rows),
        )
        if json:
            output.as_json(done)
            return
        output.line(
            f"purged {done.batches:,} batches with {done.recipients:,} recipients;"
            f" {done.rows:,} rows are gone"
        )
        if done.unanswered:
            output.line(
                f"{done.unanswered:,} batches stay: submissions still wait for their"
                " answer; `batchwire serve` settles them"
            )

    session.work_on(settings, purge)


def _ask(older_than: str) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here; --yes means it")
    question = f"Forget for good who was written to more than {older_than} ago?"
    try:
        is_meant = typer.confirm(question)
    except typer.Abort:
        output.note("\nnothing was purged")
        raise KeyboardInterrupt from None
    if not is_meant:
        raise typer.BadParameter("nothing was purged")


def _tell(batch_id: str, rows: int) -> None:
    output.note(f"{batch_id}: {rows:,} rows are gone")


def _show(
    before: datetime, ended: list[Ended], old: Mapping[str, int], *, as_json: bool
) -> None:
    if as_json:
        output.as_json({"before": before, "batches": ended, "old": old})
        return
    if ended:
        rows = [
            [one.batch_id, output.moment(one.ended_at), f"{one.recipients:,}"]
            for one in ended
        ]
        output.table(["batch", "ended", "recipients"], rows)
    people = sum(one.recipients for one in ended)
    output.line(f"would purge {len(ended):,} batches with {people:,} recipients")
    for table, count in old.items():
        output.line(f"and {count:,} older rows in {table}")
