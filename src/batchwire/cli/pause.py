"""``batchwire pause``."""

import typer

from batchwire.cli import operation
from batchwire.cli.options import BatchId, Json, Operator, Reason, RequestId
from batchwire.domain.lifecycle import Operation
from batchwire.domain.operations import Command

app = typer.Typer(add_completion=False)


@app.command("pause")
def command(
    ctx: typer.Context,
    batch_id: BatchId,
    *,
    reason: Reason = "",
    operator: Operator = "",
    request_id: RequestId = "",
    json: Json = False,
) -> None:
    """Stop submitting a batch; what is in flight is still answered."""
    asked = Command(
        batch_id=batch_id,
        operation=Operation.PAUSE,
        request_id=operation.request_id(request_id),
        operator_id=operation.operator(operator),
        reason=reason,
    )
    operation.carry_out(ctx, asked, as_json=json)
