"""``batchwire events``: the history of a batch, and its state as of a time."""

from typing import Annotated, Any

import typer
from msgspec import UNSET

from batchwire.bootstrap import App
from batchwire.cli import output, session
from batchwire.cli.options import BatchId, Json
from batchwire.cli.values import time_of
from batchwire.domain.counts import named
from batchwire.domain.events import Event, State, fold

app = typer.Typer(add_completion=False)


@app.command("events")
def command(
    ctx: typer.Context,
    batch_id: BatchId,
    *,
    as_of: Annotated[
        str,
        typer.Option(help="Only until then (RFC 3339), and the state at that time."),
    ] = "",
    json: Json = False,
) -> None:
    """Print the events of a batch in order, and the state that they fold to."""
    until = time_of("--as-of", as_of)

    async def read(app: App) -> list[Event]:
        return [event async for event in app.store.replay(batch_id, until)]

    events = session.on_database(ctx, read)
    state = fold(events)
    if json:
        output.as_json({"events": events, "state": _state(state) if events else None})
        return
    rows = [
        [
            str(e.sequence),
            e.at.isoformat().replace("+00:00", "Z"),
            e.type,
            _details(e.data),
        ]
        for e in events
    ]
    output.table(["", "at", "event", "what"], rows)
    output.line()
    output.line(_told(state) if events else f"{batch_id} did not exist yet")


def _details(data: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in data.items() if value)


def _state(state: State) -> dict[str, Any]:
    return {
        name: getattr(state, name)
        for name in State.__struct_fields__
        if name != "counts" and getattr(state, name) is not UNSET
    } | {"counts": named(state.counts)}


def _told(state: State) -> str:
    counts = ", ".join(f"{n:,} {name}" for name, n in named(state.counts).items() if n)
    why = f" ({state.reason})" if state.reason else ""
    return f"state: {state.status}{why}; {counts or 'no recipients yet'}"
