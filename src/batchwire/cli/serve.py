"""``batchwire serve``: the engine as a service on its database."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import typer

from batchwire.adapters.prometheus.endpoint import served
from batchwire.adapters.prometheus.metrics import PrometheusMetrics
from batchwire.bootstrap import App, opened
from batchwire.cli import output, session
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Json
from batchwire.config import Settings
from batchwire.engine.retention import daily
from batchwire.ports.metrics import Metrics

app = typer.Typer(add_completion=False)


@app.command("serve")
def command(
    ctx: typer.Context,
    *,
    until_idle: Annotated[
        bool,
        typer.Option("--until-idle", help="End when no batch goes on by itself."),
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
    settings = session.settings_of(ctx, log_level="")
    with _metrics(metrics_host, metrics_port) as metrics:
        work = _serve(settings, metrics, until_idle=until_idle, as_json=json)
        is_stopped = session.run(work)
    if json:
        output.json_line({"stopped": is_stopped})
    raise typer.Exit(ExitCode.OK)


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
    settings: Settings, metrics: Metrics | None, *, until_idle: bool, as_json: bool
) -> bool:
    """Serve; returns whether somebody stopped it."""
    async with opened(settings) as app:
        with session.stopping() as stop:
            if not as_json:
                output.note(f"engine on {settings.database_name}; Ctrl-C drains")
            events = app.events.service(consumes=True, relays=True, metrics=metrics)
            await events.start()
            try:
                async with _purging(app):
                    await app.engine.run(stop, until_idle=until_idle)
            finally:
                await events.stop()
            return stop.is_set()
