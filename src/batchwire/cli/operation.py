"""What pause, resume, abort and retry have in common."""

import getpass
import uuid

import typer

from batchwire.bootstrap import App
from batchwire.cli import observed, output, session
from batchwire.cli.views import headline, view, warn_of_unanswered
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Operation
from batchwire.domain.observed import ObservedBatch
from batchwire.domain.operations import Command
from batchwire.engine.control import Selection
from batchwire.errors import UnknownBatch


def asked(
    operation: Operation, batch_id: str, reason: str, by: str, request_id: str
) -> Command:
    """Make the command of what was given; a request_id is made where it lacks."""
    return Command(
        batch_id=batch_id,
        operation=operation,
        request_id=request_id or str(uuid.uuid4()),
        operator_id=operator(by),
        reason=reason,
    )


def carry_out(
    ctx: typer.Context,
    command: Command,
    selection: Selection | None = None,
    *,
    as_json: bool,
) -> None:
    """Operate on a batch and say where it stands then."""

    async def operate(app: App) -> tuple[Batch | ObservedBatch, bool]:
        try:
            batch = await app.control.operate(command, selection)
        except UnknownBatch:
            told = _metadata(selection)
            return await app.events.observed.operate(command, told), False
        await warn_of_unanswered(app, [batch])
        return batch, await app.store.has_engine()

    batch, has_engine = session.on_database(ctx, operate)
    if isinstance(batch, ObservedBatch):
        _tell_published(batch, command, as_json=as_json)
        return
    if as_json:
        output.as_json(view(batch))
        return
    output.line(headline(batch))
    is_waiting = batch.state.status.name.endswith("READY")
    if is_waiting and not has_engine:
        output.no_engine()


def _metadata(selection: Selection | None) -> dict[str, str]:
    """Give whom a retry is to take up, for the system that does it."""
    if selection is None:
        return {}
    told = {
        "outcome": selection.outcome.name.lower(),
        "error_class": selection.error_class,
        "error_code": selection.error_code,
    }
    return {name: text for name, text in told.items() if text}


def _tell_published(one: ObservedBatch, command: Command, *, as_json: bool) -> None:
    """Say that nothing has changed yet, and who is to change it."""
    if as_json:
        output.as_json({**observed.view(one), "published": command.operation})
        return
    whose = one.state.source or "the system"
    output.line(observed.headline(one))
    output.line(
        f"{command.operation} is asked of {whose}, which executes this batch; its next"
        " status update tells what became of it"
    )


def operator(given: str) -> str:
    """Name who operates: as given, else the user of this system."""
    if given:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "cli"
