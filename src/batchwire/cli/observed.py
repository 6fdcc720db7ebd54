"""Observed batches as commands show and follow them."""

import asyncio
from typing import Any

from batchwire.bootstrap import App
from batchwire.cli import output
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.session import told_within
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.observed import ObservedBatch
from batchwire.errors import UnknownBatch

EXECUTION = "observed"
_LOOK_S = 0.2


async def found(app: App, batch_id: str) -> Batch | ObservedBatch:
    """
    Find a batch, whoever executes it.

    Raises:
        UnknownBatch: there is none of this id.

    """
    try:
        return await app.store.batch(batch_id)
    except UnknownBatch:
        return await app.events.observed.one(batch_id)


def view(one: ObservedBatch) -> dict[str, Any]:
    """Show one as an object; the names are those of a managed batch."""
    state = one.state
    return {
        "batch_id": one.batch_id,
        "execution": EXECUTION,
        "status": state.status,
        "phase": state.phase,
        "error_message": state.error_message,
        "user_id": state.user_id,
        "source": state.source,
        "recipients": state.recipients,
        "processed": state.processed,
        "success": state.success,
        "failed": state.failed,
        "progress": round(state.progress, 4),
        "operations": tuple(Operation),
        "reported_at": state.at,
        "created_at": state.created_at,
        "updated_at": state.updated_at,
        "sequence": state.sequence,
    }


def headline(one: ObservedBatch) -> str:
    """Say in one line where it stands."""
    why = f" ({one.state.error_message})" if one.state.error_message else ""
    return f"{one.batch_id}: {one.state.status or 'announced'}{why}, observed"


def show(one: ObservedBatch) -> None:
    """Print it."""
    state = one.state
    output.line(headline(one))
    phase = f"{state.phase}, {state.progress:.1%}" if state.phase else ""
    facts = [
        ("phase", phase),
        ("executed by", state.source or "another system"),
        ("owner", state.user_id),
        ("recipients", f"{state.recipients:,}" if state.recipients else ""),
        ("processed", f"{state.processed:,}"),
        ("success", f"{state.success:,}"),
        ("failed", f"{state.failed:,}"),
        ("reported", output.moment(state.at)),
        ("first heard of", output.moment(state.created_at)),
        ("last heard of", output.moment(state.updated_at)),
    ]
    output.table(["", ""], [[name, text] for name, text in facts if text])


async def follow(
    app: App, batch_id: str, stop: asyncio.Event, *, is_quiet: bool
) -> ObservedBatch:
    """Tell each change until it has ended, or ``stop`` is set."""
    told = ""
    while True:
        one = await app.events.observed.one(batch_id)
        stands = f"{headline(one)}: {one.state.progress:.0%}"
        if stands != told and not is_quiet:
            told = stands
            output.note(stands)
        if one.has_ended or stop.is_set():
            return one
        await told_within(stop, _LOOK_S)


def result(one: ObservedBatch, *, as_json: bool) -> ExitCode:
    """Print how one that was waited for stands; returns the exit code."""
    if as_json:
        output.as_json(view(one))
    else:
        output.line(headline(one))
    if not one.has_ended:
        return ExitCode.INTERRUPTED
    is_good = one.state.status == Status.COMPLETED
    return ExitCode.OK if is_good else ExitCode.NOT_GOOD
