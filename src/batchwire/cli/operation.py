"""What pause, resume, abort and retry have in common."""

import getpass
import uuid

import typer

from batchwire.bootstrap import App
from batchwire.cli import output, session
from batchwire.cli.views import headline, view
from batchwire.domain.batch import Batch
from batchwire.domain.operations import Command
from batchwire.engine.control import Selection


def carry_out(
    ctx: typer.Context,
    command: Command,
    selection: Selection | None = None,
    *,
    as_json: bool,
) -> None:
    """Operate on a batch and say where it stands then."""

    async def operate(app: App) -> tuple[Batch, bool]:
        batch = await app.control.operate(command, selection)
        return batch, await app.store.has_engine()

    batch, has_engine = session.on_database(ctx, operate)
    if as_json:
        output.as_json(view(batch))
        return
    output.line(headline(batch))
    is_waiting = batch.state.status.name.endswith("READY")
    if is_waiting and not has_engine:
        output.note("no engine works on this database; `batchwire serve` starts one")


def operator(given: str) -> str:
    """Name who operates: as given, else the user of this system."""
    if given:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "cli"


def request_id(given: str) -> str:
    """Give the request's id: as given, else a new one."""
    return given or str(uuid.uuid4())
