"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer


class Globals(NamedTuple):
    """What stands before the command; it is the context's ``obj``."""

    config: Path | None = None
    database: str | None = None


WHOLE = (1 << 63) - 1
"""The largest number that a database keeps."""

Limit = Annotated[
    int, typer.Option(min=0, max=WHOLE, help="At most so many; 0 is all.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Operator = Annotated[
    str, typer.Option(help="Who, for the record; else the name of the user.")
]
RequestId = Annotated[
    str, typer.Option(help="The same again is answered as the first time.")
]
