"""
The command line: global options, and commands that are imported when they are used.

A command's module is named in ``COMMANDS``; its ``app`` is a Typer. Importing all of
them would take most of the 300 ms that ``batchwire --version`` may.
"""

import importlib
import re
import signal
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from batchwire import __version__
from batchwire.cli import failures
from batchwire.cli.options import Globals

COMMANDS = {
    "demo": "batchwire.cli.demo",
    "send": "batchwire.cli.send",
    "list": "batchwire.cli.batches",
    "show": "batchwire.cli.show",
    "watch": "batchwire.cli.watch",
    "recipients": "batchwire.cli.recipients",
    "pause": "batchwire.cli.pause",
    "resume": "batchwire.cli.resume",
    "abort": "batchwire.cli.abort",
    "retry": "batchwire.cli.retry",
    "events": "batchwire.cli.events",
    "verify": "batchwire.cli.verify",
    "suppressions": "batchwire.cli.suppressions",
    "purge": "batchwire.cli.purge",
    "config": "batchwire.cli.config",
    "db": "batchwire.cli.db",
    "schema": "batchwire.cli.schema",
    "sandbox-provider": "batchwire.cli.sandbox_provider",
    "serve": "batchwire.cli.serve",
    "workers": "batchwire.cli.workers",
    "providers": "batchwire.cli.providers",
    "dlq": "batchwire.cli.dlq",
    "lists": "batchwire.cli.lists",
    "topics": "batchwire.cli.topics",
    "doctor": "batchwire.cli.doctor",
}


class Commands(TyperGroup):
    """Finds a command by importing its module."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - Typer's own
        super().__init__(**settings)
        # The names alone, for the list of commands and for "did you mean".
        self.commands = {name: TyperCommand(name) for name in COMMANDS}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 - Typer's own
        """Import the command; None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        # Not an import statement: which module it is stands in the table.
        module = importlib.import_module(COMMANDS[cmd_name])
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see ``__main__``
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return typer.main.get_command(module.app)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if asked:
        typer.echo(f"batchwire {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            readable=False,  # asked by whoever reads it, who says what to do
            help="Settings file; else BATCHWIRE_CONFIG, else batchwire.yaml here.",
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="SQLite file or PostgreSQL URL, instead of the one in the settings."
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show it and end."
        ),
    ] = False,
) -> None:
    """Send a template to a list of recipients by SMS; stop, go on, and see it all."""
    ctx.obj = Globals(config=config, database=database)
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; returns the exit code, and never raises."""
    return failures.told(
        lambda: _carry_out(list(arguments)), as_json="--json" in arguments
    )


_names_nothing = re.compile(r"--[a-z-]+=").fullmatch


def _carry_out(arguments: list[str]) -> object:
    for before, argument in pairwise(["", *arguments]):
        if not argument or _names_nothing(argument):
            name = (argument or before).removesuffix("=")
            what = f"what follows `{name}`" if name else "the first argument"
            problem = f"{what} is empty; is a variable of the shell not set?"
            raise typer.BadParameter(problem)
        try:
            argument.encode()  # what is stored and told is UTF-8, names of files too
        except UnicodeEncodeError:
            problem = f"{argument!a} is not UTF-8"
            raise typer.BadParameter(problem) from None
    return typer.main.get_command(app).main(
        args=arguments, prog_name="batchwire", standalone_mode=False
    )
