"""``batchwire events``: the history of a batch, and its state as of a time."""

from typing import Annotated, Any

import msgspec
import typer
from msgspec import UNSET

from batchwire.bootstrap import App
from batchwire.cli import observed, output, session
from batchwire.cli.options import BatchId, Json
from batchwire.cli.values import until_of
from batchwire.domain.counts import named
from batchwire.domain.events import Event, State, fold
from batchwire.domain.observed import (
    ObservedBatch,
    ObservedState,
    fold as fold_observed,
)

app = typer.Typer(add_completion=False)


@app.command("events")
def command(
    ctx: typer.Context,
    batch_id: BatchId,
    *,
    as_of: Annotated[
        str,
        typer.Option(
            help="Only until then (RFC 3339), and the state at that time; without a"
            " fraction, the whole second."
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Print the events of a batch in order, and the state that they fold to."""
    until = until_of("--as-of", as_of)

    async def read(app: App) -> tuple[list[Event], bool]:
        events = [event async for event in app.store.replay(batch_id, until)]
        batch = await observed.found(app, batch_id)
        return events, isinstance(batch, ObservedBatch)

    events, is_observed = session.on_database(ctx, read)
    state = fold_observed(events) if is_observed else fold(events)
    if json:
        output.as_json({"events": events, "state": _state(state) if events else None})
        return
    rows = [
        [
            str(e.sequence),
            e.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            e.type,
            _details(e.data or (e.delta if is_observed else {})),
        ]
        for e in events
    ]
    output.table(["", "at", "event", "what"], rows)
    output.line()
    output.line(_told(state) if events else f"{batch_id} did not exist yet")


def _details(data: dict[str, Any]) -> str:
    told = (
        (n, "" if value is True else f"={value}") for n, value in data.items() if value
    )
    return ", ".join(name + value for name, value in told)


def _state(state: State | ObservedState) -> dict[str, Any]:
    if isinstance(state, ObservedState):
        return msgspec.structs.asdict(state)
    return {
        name: getattr(state, name)
        for name in State.__struct_fields__
        if name != "counts" and getattr(state, name) is not UNSET
    } | {"counts": named(state.counts)}


def _told(state: State | ObservedState) -> str:
    if isinstance(state, ObservedState):
        return (
            f"state: {state.status or 'announced'}; {state.processed:,} processed,"
            f" {state.success:,} success, {state.failed:,} failed"
        )
    counts = ", ".join(f"{n:,} {name}" for name, n in named(state.counts).items() if n)
    why = f" ({state.reason})" if state.reason else ""
    return f"state: {state.status}{why}; {counts or 'no recipients yet'}"
