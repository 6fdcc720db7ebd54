"""``batchwire retry``."""

from enum import StrEnum
from typing import Annotated

import typer

from batchwire.cli import operation
from batchwire.cli.options import BatchId, Json, Operator, Reason, RequestId
from batchwire.domain.lifecycle import Operation
from batchwire.domain.outcome import Outcome, Verdict
from batchwire.engine.control import Selection

app = typer.Typer(add_completion=False)


class Retryable(StrEnum):
    """Outcomes that a retry takes up again; see ``domain.outcome.RETRYABLE``."""

    FAILED = "failed"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"


@app.command("retry")
def command(  # noqa: PLR0913 - a parameter is an option
    ctx: typer.Context,
    batch_id: BatchId,
    *,
    outcome: Annotated[
        Retryable, typer.Option(help="Whom to try again.")
    ] = Retryable.FAILED,
    error_class: Annotated[
        Verdict | None, typer.Option(help="Only who failed in this way.")
    ] = None,
    error_code: Annotated[
        str, typer.Option(help="Only who failed with this code of the provider.")
    ] = "",
    reason: Reason = "",
    operator: Operator = "",
    request_id: RequestId = "",
    json: Json = False,
) -> None:
    """Take up recipients again after a batch has ended."""
    asked = operation.asked(Operation.RETRY, batch_id, reason, operator, request_id)
    selection = Selection(Outcome[outcome.name], error_class or "", error_code)
    operation.carry_out(ctx, asked, selection, as_json=json)
