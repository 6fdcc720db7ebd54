"""What ``serve`` was asked for, whether that can work, and the processes that do it."""

from dataclasses import dataclass

import typer

from batchwire.cli import output, session
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Globals
from batchwire.cli.roles import EVENTS, Role
from batchwire.cli.supervisor import Supervisor
from batchwire.config import Settings
from batchwire.errors import SettingsError

_EVENTS = "events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The options of ``serve``."""

    roles: frozenset[Role]
    workers: int
    until_idle: bool
    end_with_stdin: bool
    metrics_port: int | None
    metrics_host: str


def check(asked: Serving, settings: Settings) -> None:
    """
    Refuse what would do nothing, or cannot work.

    Raises:
        SettingsError: several engines on SQLite; requests that name no provider would
            have none.

    """
    if Role.ENGINE not in asked.roles and (asked.workers > 1 or asked.until_idle):
        option = "--workers" if asked.workers > 1 else "--until-idle"
        message = f"{option} is for engines: add engine to --roles, or leave it away"
        raise typer.BadParameter(message)
    if asked.metrics_port is not None and not asked.roles & EVENTS:
        message = (
            "--metrics-port shows the figures of consumer and relay: add one to --roles"
        )
        raise typer.BadParameter(message)
    if asked.workers > 1 and settings.database_path:
        message = (
            f"database_url: --workers {asked.workers} needs PostgreSQL, and"
            f" {settings.database_name} is a file of SQLite, on which one engine works;"
            " name a postgresql:// URL, or leave --workers away"
        )
        raise SettingsError(message)
    settings.demanded_default()


async def run(
    given: Globals, asked: Serving, settings: Settings
) -> tuple[dict[str, object], ExitCode]:
    """Run the processes; returns what is told at the end, and the exit code."""
    engines = {f"engine-{n}": _command(given, asked, n) for n in range(asked.workers)}
    commands = dict(engines)
    if asked.roles & EVENTS:
        commands[_EVENTS] = _command(given, asked, None)
    output.note(
        f"{asked.workers} engines on {settings.database_name}; Ctrl-C drains them"
    )
    supervisor = Supervisor(commands, settings.engine.drain_timeout_s)
    if asked.end_with_stdin:
        session.when_stdin_ends(supervisor.stop)
    code = await supervisor.run(tuple(engines) if asked.until_idle else ())
    told: dict[str, object] = {
        "workers": asked.workers,
        "restarts": supervisor.restarts,
    }
    return told, code


def _command(given: Globals, asked: Serving, engine: int | None) -> list[str]:
    """Give the words of one child: an engine, or the events where it is None."""
    words: list[str] = []
    if given.config is not None:
        words += ["--config", str(given.config)]
    if given.database is not None:
        words += ["--database", given.database]
    words += ["serve", "--end-with-stdin"]
    if engine is not None:
        until_idle = ["--until-idle"] if asked.until_idle else []
        return [*words, "--roles", Role.ENGINE, *until_idle]
    words += ["--roles", ",".join(sorted(asked.roles & EVENTS))]
    if asked.metrics_port is not None:
        words += ["--metrics-port", str(asked.metrics_port)]
        words += ["--metrics-host", asked.metrics_host]
    return words
