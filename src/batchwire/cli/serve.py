"""``batchwire serve``: the service on its database, all of it or some of its roles."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import typer

from batchwire.adapters.prometheus.endpoint import served
from batchwire.adapters.prometheus.metrics import PrometheusMetrics
from batchwire.bootstrap import App, opened
from batchwire.cli import output, session, workforce
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json
from batchwire.cli.roles import EVENTS, EVERY, Role, roles_of
from batchwire.cli.workforce import Serving
from batchwire.config import Settings
from batchwire.engine.retention import daily
from batchwire.ports.metrics import Metrics

app = typer.Typer(add_completion=False)


@app.command("serve")
def command(  # noqa: PLR0913 - a parameter is an option
    ctx: typer.Context,
    *,
    roles: Annotated[
        str, typer.Option(help="What this process does; with commas between.")
    ] = EVERY,
    workers: Annotated[
        int, typer.Option(min=1, help="Engine processes here; more need PostgreSQL.")
    ] = 1,
    until_idle: Annotated[
        bool,
        typer.Option("--until-idle", help="End when no batch goes on by itself."),
    ] = False,
    end_with_stdin: Annotated[
        bool,
        typer.Option(
            "--end-with-stdin",
            help="Drain when standard input ends: for whoever started it by a pipe.",
        ),
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Serve /metrics on this port; 0 takes a free one."
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="Address that /metrics listens on.")
    ] = "127.0.0.1",
    json: Json = False,
) -> None:
    """
    Run the service: deliver batches, take records from the topic, publish what happens.

    Other commands work beside it. Ctrl-C or SIGTERM drains; a second one ends at once.
    """
    asked = Serving(
        roles=roles_of(roles),
        workers=workers,
        until_idle=until_idle,
        end_with_stdin=end_with_stdin,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
    )
    settings = session.settings_of(ctx, log_level="")
    workforce.check(asked, settings)
    if workers > 1:
        told, code = session.run(workforce.run(ctx.obj, asked, settings))
    else:
        with _metrics(metrics_host, metrics_port) as metrics:
            work = _serve(settings, asked, metrics, as_json=json)
            told, code = {"stopped": session.run(work)}, ExitCode.OK
    if json:
        output.json_line(told)
    raise typer.Exit(code)


@contextmanager
def _metrics(host: str, port: int | None) -> Iterator[Metrics | None]:
    """Serve figures where a port is asked for; without one nobody counts for nothing."""
    if port is None:
        yield None
        return
    metrics = PrometheusMetrics()
    with served(metrics, port, host) as taken:
        output.note(f"metrics on http://{host}:{taken}/metrics")
        yield metrics


@asynccontextmanager
async def _purging(app: App) -> AsyncIterator[None]:
    """Purge once a day beside the engine, where the settings say so."""
    if not app.settings.retention_days:
        yield
        return
    work = asyncio.create_task(
        daily(app.purge, app.settings.retention_days, app.clock), name="retention"
    )
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _serve(
    settings: Settings, asked: Serving, metrics: Metrics | None, *, as_json: bool
) -> bool:
    """Serve; returns whether somebody stopped it."""
    limit_s = settings.engine.drain_timeout_s

    def tell() -> None:
        if Role.ENGINE in asked.roles:
            output.draining(limit_s)

    async with opened(settings) as app:
        with session.stopping(limit_s, tell) as stop:
            if asked.end_with_stdin:
                session.when_stdin_ends(stop.set)
            if not as_json:
                does = ", ".join(role for role in Role if role in asked.roles)
                output.note(f"{does} on {settings.database_name}; Ctrl-C drains")
            await _work(app, asked, stop, metrics)
            return stop.is_set()


async def _work(
    app: App, asked: Serving, stop: asyncio.Event, metrics: Metrics | None
) -> None:
    if not asked.roles & EVENTS:
        await _run_engine(app, asked, stop)
        return
    events = app.events.service(
        consumes=Role.CONSUMER in asked.roles,
        relays=Role.RELAY in asked.roles,
        metrics=metrics,
    )
    await events.start()
    try:
        if Role.ENGINE in asked.roles:
            await _run_engine(app, asked, stop)
        else:
            ends = [asyncio.ensure_future(e.wait()) for e in (stop, events.is_lost)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
    finally:
        await events.stop()
    if events.lost is not None:
        raise events.lost


async def _run_engine(app: App, asked: Serving, stop: asyncio.Event) -> None:
    async with _purging(app):
        await app.engine.run(stop, until_idle=asked.until_idle)
