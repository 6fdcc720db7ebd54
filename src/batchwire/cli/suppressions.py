"""``batchwire suppressions``: the numbers that nobody submits to, in whatever batch."""

from typing import Annotated

import typer

from batchwire.bootstrap import App, opened
from batchwire.cli import output, session, values
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json
from batchwire.config import Settings
from batchwire.domain.recipient import normalise
from batchwire.engine.suppression import Suppressed, Suppression

app = typer.Typer(
    name="suppressions",
    add_completion=False,
    help="Keep the numbers that are never sent to.",
)

Numbers = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NUMBER]...", help="Numbers in any spelling."),
]
DefaultRegion = Annotated[
    str, typer.Option(help="Region of numbers without country code: DE.")
]
_LONGEST_REASON = 255


@app.command("add")
def add(  # noqa: PLR0913 - a parameter is an option
    ctx: typer.Context,
    numbers: Numbers = None,
    *,
    source: Annotated[
        str, typer.Option("--list", help="A file as `send` takes it, or - for stdin.")
    ] = "",
    number_column: Annotated[
        str, typer.Option(help="The CSV's column of numbers.")
    ] = "",
    default_region: DefaultRegion = "",
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "opted out",
    json: Json = False,
) -> None:
    """
    Never send to these numbers again, in no batch: not in those under way either.

    A running engine heeds it within a second. What is no number is told, and makes the
    exit code 1; the others count.
    """
    if bool(numbers) == bool(source):
        raise typer.BadParameter("give either NUMBER or --list")
    if len(reason) > _LONGEST_REASON:
        problem = f"--reason: at most {_LONGEST_REASON} characters"
        raise typer.BadParameter(problem)

    async def work(settings: Settings) -> Suppressed:
        session.tell_if_new(settings)
        async with opened(settings) as app:
            suppression = Suppression(app.store, reason, default_region)
            if source:
                data, name = values.pieces(source), values.name_of(source)
                await suppression.add_list(data, name, number_column)
            else:
                await suppression.add(numbers or [])
            return suppression.done

    done = session.run(work(session.database_settings_of(ctx)))
    if json:
        output.as_json(done)
    else:
        output.line(f"{done.added:,} added; {done.known:,} were suppressed before")
        for number, flaw in done.examples.items():
            output.note(f"not added: {number!r} ({flaw})")
        if (rest := done.invalid - len(done.examples)) > 0:
            output.note(f"not added: {rest:,} more")
    if done.invalid:
        raise typer.Exit(ExitCode.NOT_GOOD)


@app.command("list")
def show(
    ctx: typer.Context,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line.")
    ] = False,
) -> None:
    """Print who is suppressed, since when and why, by number."""

    async def read(app: App) -> None:
        if not json:
            output.line(f"{'number':16}  {'since':20}  reason")
        async for one in app.store.suppressions():
            if json:
                output.json_line(one)
            else:
                since = output.moment(one.since)
                output.line(f"{one.number:16}  {since:20}  {one.reason}")

    session.on_database(ctx, read)


@app.command("remove")
def remove(
    ctx: typer.Context,
    numbers: Annotated[
        list[str], typer.Argument(metavar="NUMBER...", help="In any spelling.")
    ],
    *,
    default_region: DefaultRegion = "",
    json: Json = False,
) -> None:
    """Let these numbers be sent to again; who was passed over before stays so."""
    found = normalise(numbers, default_region or None)
    for place, flaw in found.invalid.items():
        problem = f"{numbers[place]!r} is no number ({flaw}); nothing was removed"
        raise typer.BadParameter(problem)

    async def write(app: App) -> set[str]:
        return await app.store.unsuppress(found.numbers)

    gone = session.on_database(ctx, write)
    unknown = sorted(set(found.numbers) - gone)
    if json:
        output.as_json({"removed": sorted(gone), "unknown": unknown})
        return
    output.line(f"{len(gone):,} removed")
    for number in unknown:
        output.note(f"{number} was not suppressed")
