"""``batchwire recipients``: what became of each recipient. Numbers stand in full."""

import csv
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import typer

from batchwire.bootstrap import App
from batchwire.cli import output, session
from batchwire.cli.views import warn_of_unanswered
from batchwire.domain.batch import Batch, BatchSpec
from batchwire.domain.ledger import MAX_ATTEMPT, unpack_numbers
from batchwire.domain.outcome import Outcome
from batchwire.domain.printable import printable
from batchwire.domain.recipient import normalise
from batchwire.ports.store import Chunk

app = typer.Typer(add_completion=False)

OutcomeName = Literal[
    "open",
    "invalid",
    "duplicate",
    "suppressed",
    "accepted",
    "delivered",
    "undelivered",
    "failed",
    "expired",
    "aborted",
    "uncertain",
]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """
    One recipient; ``position`` is the 0-based place in the list.

    ``at`` is when the last thing known was recorded: a moment after the answer.
    """

    position: int
    number: str
    outcome: str
    attempts: int
    error_class: str
    error_code: str
    provider_message_id: str
    batch_id: str
    at: datetime | None


@app.command("recipients")
def command(
    ctx: typer.Context,
    batch_id: Annotated[
        str,
        typer.Argument(metavar="[BATCH]", help="The batch's id; all with --number."),
    ] = "",
    *,
    outcome: Annotated[
        OutcomeName | None, typer.Option(help="Only those that stand so.")
    ] = None,
    number: Annotated[
        str, typer.Option(help="Only this number, in any spelling.")
    ] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line.")
    ] = False,
) -> None:
    """
    Print what became of each recipient, in the order of the list.

    Without BATCH a number is looked for in all batches, the newest first.
    """
    if as_csv and json:
        raise typer.BadParameter("--csv and --json exclude each other")
    if not (batch_id or number):
        raise typer.BadParameter("name a BATCH, or a --number to look for in all")
    as_text = _write_text if batch_id else _write_with_batch
    write = _write_json if json else _write_csv if as_csv else as_text

    async def read(app: App) -> None:
        batches = await _among(app, batch_id)
        found = 0
        write(None)
        for batch in batches:
            async for line in lines(app, batch.spec, number):
                if not outcome or line.outcome == outcome:
                    write(line)
                    found += 1
        if not found:
            output.note("there is nobody that fits")
        await warn_of_unanswered(app, batches)

    session.on_database(ctx, read)


async def _among(app: App, batch_id: str) -> list[Batch]:
    """Read the batch that is named, or all whose recipients are known."""
    if batch_id:
        return [await app.store.batch(batch_id)]
    batches = await app.store.batches()
    known = [one for one in batches if not one.state.is_purged]
    if purged := len(batches) - len(known):
        output.note(f"of {purged:,} batches the recipients are purged")
    return known


async def lines(app: App, spec: BatchSpec, number: str = "") -> AsyncIterator[Line]:
    """Yield all recipients, or those of a number, one chunk in memory at a time."""
    asked = normalise([number], spec.default_region or None).numbers[0]
    async for chunk in app.store.chunks(spec.batch_id):
        numbers = unpack_numbers(chunk.payload)
        if number and asked not in numbers:
            continue
        for line in _of_chunk(chunk, spec, numbers):
            if not number or line.number == asked:
                yield line


def _of_chunk(chunk: Chunk, spec: BatchSpec, numbers: Sequence[str]) -> Iterator[Line]:
    state, base = chunk.state, chunk.number * spec.chunk_size
    ids, times = state.provider_ids(), state.times()
    for place, (number, outcome) in enumerate(
        zip(numbers, state.outcomes(), strict=True)
    ):
        error_class, error_code = state.errors.get(place, ("", ""))
        yield Line(
            position=base + place,
            number=number,
            outcome=Outcome(outcome).name.lower(),
            attempts=state.attempts[place] & MAX_ATTEMPT,
            error_class=error_class,
            error_code=error_code,
            provider_message_id=ids.get(place, ""),
            batch_id=spec.batch_id,
            at=datetime.fromtimestamp(times[place] / 1000, UTC)
            if place in times
            else None,
        )


def _write_json(line: Line | None) -> None:
    if line is not None:
        output.json_line(line)


def _write_csv(line: Line | None) -> None:
    """Write a record; the header for None."""
    record = (
        Line.__struct_fields__ if line is None else msgspec.to_builtins(line).values()
    )
    csv.writer(sys.stdout, lineterminator="\n").writerow(record)


def _write_text(line: Line | None) -> None:
    output.line(_columns(line))


def _write_with_batch(line: Line | None) -> None:
    output.line(f"{line.batch_id if line else 'batch':<20}  {_columns(line)}")


def _columns(line: Line | None) -> str:
    """Give columns of fixed width: the widths are known before the last line."""
    cells = (
        ("position", "number", "outcome", "at", "attempts", "error", "provider id")
        if line is None
        else (
            str(line.position),
            line.number,
            line.outcome,
            output.moment(line.at),
            str(line.attempts),
            "/".join(filter(None, (line.error_class, line.error_code))),
            printable(line.provider_message_id),
        )
    )
    place, number, outcome, at, attempts, error, provider_id = cells
    row = f"{place:>9}  {number:<16}  {outcome:<11}  {at:<20}  {attempts:>8}"
    return f"{row}  {error:<24}  {provider_id}".rstrip()
