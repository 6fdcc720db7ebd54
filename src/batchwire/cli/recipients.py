"""``batchwire recipients``: what became of each recipient. Numbers stand in full."""

import csv
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Literal

import msgspec
import typer

from batchwire.bootstrap import App
from batchwire.cli import output, session
from batchwire.cli.options import BatchId
from batchwire.domain.ledger import MAX_ATTEMPT, unpack_numbers
from batchwire.domain.outcome import Outcome
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
    """One recipient; ``position`` is the 0-based place in the list."""

    position: int
    number: str
    outcome: str
    attempts: int
    error_class: str
    error_code: str
    provider_message_id: str


@app.command("recipients")
def command(
    ctx: typer.Context,
    batch_id: BatchId,
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
    """Print what became of each recipient, in the order of the list."""
    if as_csv and json:
        raise typer.BadParameter("--csv and --json exclude each other")
    write = _write_json if json else _write_csv if as_csv else _write_text

    async def read(app: App) -> None:
        spec = (await app.store.batch(batch_id)).spec
        asked = normalise([number], spec.default_region or None).numbers[0]
        write(None)
        async for line in lines(app, batch_id, spec.chunk_size):
            if outcome and line.outcome != outcome:
                continue
            if number and line.number != asked:
                continue
            write(line)

    session.on_database(ctx, read)


async def lines(app: App, batch_id: str, chunk_size: int) -> AsyncIterator[Line]:
    """Yield all recipients, one chunk in memory at a time."""
    async for chunk in app.store.chunks(batch_id):
        for line in _of_chunk(chunk, chunk.number * chunk_size):
            yield line


def _of_chunk(chunk: Chunk, base: int) -> Iterator[Line]:
    state = chunk.state
    ids = state.provider_ids()
    numbers = unpack_numbers(chunk.payload)
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
        )


def _write_json(line: Line | None) -> None:
    if line is not None:
        output.json_line(line)


def _write_csv(line: Line | None) -> None:
    """Write a record; the header for None."""
    record = Line.__struct_fields__ if line is None else msgspec.structs.astuple(line)
    csv.writer(sys.stdout, lineterminator="\n").writerow(record)


def _write_text(line: Line | None) -> None:
    """Write columns of fixed width: the widths are known before the last line."""
    cells = (
        ("position", "number", "outcome", "attempts", "error", "provider id")
        if line is None
        else (
            str(line.position),
            line.number,
            line.outcome,
            str(line.attempts),
            "/".join(filter(None, (line.error_class, line.error_code))),
            line.provider_message_id,
        )
    )
    at, number, outcome, attempts, error, provider_id = cells
    row = f"{at:>9}  {number:<16}  {outcome:<11}  {attempts:>8}  {error:<24}"
    output.line(f"{row}  {provider_id}".rstrip())
