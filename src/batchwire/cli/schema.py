"""``batchwire schema``: what stands on the topic, for programs of any language."""

from enum import StrEnum
from typing import Annotated

import typer

from batchwire.cli import output
from batchwire.events import asyncapi
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.messages import schema
from batchwire.messages.requests import (
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)

app = typer.Typer(add_completion=False)


class Document(StrEnum):
    """What can be printed."""

    ASYNCAPI = "asyncapi"
    REQUEST = "request"
    STATUS = "status"
    OPERATION = "operation"


@app.command("schema")
def command(
    what: Annotated[
        Document,
        typer.Argument(
            metavar="WHAT", help="The whole (asyncapi), or one message's JSON Schema."
        ),
    ],
) -> None:
    """Print the AsyncAPI 3 document of the topic, or the JSON Schema of a message."""
    match what:
        case Document.ASYNCAPI:
            shown = asyncapi.document(BatchEventServiceConfig())
        case Document.REQUEST:
            shown = schema.document(BatchMessageRequest)
        case Document.STATUS:
            shown = schema.document(BatchStatusUpdateRequest)
        case Document.OPERATION:
            shown = schema.document(BatchOperationRequest)
    output.as_json(shown)
