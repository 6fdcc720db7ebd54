"""``batchwire pause``."""

import typer

from batchwire.cli import operation
from batchwire.cli.options import BatchId, Json, Operator, Reason, RequestId
from batchwire.domain.lifecycle import Operation

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
    asked = operation.asked(Operation.PAUSE, batch_id, reason, operator, request_id)
    operation.carry_out(ctx, asked, as_json=json)
