"""Waiting for a batch: beside an engine of another process, or with our own."""

import asyncio
from collections.abc import Callable
from itertools import count

from batchwire.bootstrap import App
from batchwire.cli import output, progress, views
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.session import told_within
from batchwire.domain.batch import Batch
from batchwire.domain.operations import SERVICE
from batchwire.errors import ProviderSettingsRefused

_LOOK_S = 0.2
_LOOKS = 5  # at the batch, for one at whether an engine works


async def deliver(
    app: App, batch_id: str, stop: asyncio.Event, *, is_quiet: bool
) -> Batch:
    """
    Run the engine here until the batch has ended or ``stop`` is set; then drain.

    Raises:
        ProviderSettingsRefused: the service paused it, and waiting does not help.

    """
    done = asyncio.Event()
    events = app.events.service(consumes=False, relays=True)
    await events.start()
    engine = asyncio.create_task(app.engine.run(done, is_passing=True))
    try:
        batch = await follow(app, batch_id, stop, engine=engine, is_quiet=is_quiet)
    finally:
        done.set()
        try:
            await engine
        finally:
            await events.stop()
    batch = await app.store.batch(batch_id)
    if is_stuck(batch):
        message = (
            f"batch {batch_id} is paused: {batch.state.reason}; mend that, then"
            f" `batchwire resume {batch_id}` and `batchwire serve --until-idle`"
        )
        raise ProviderSettingsRefused(message)
    return batch


async def follow(
    app: App,
    batch_id: str,
    stop: asyncio.Event,
    *,
    engine: asyncio.Task[None] | None = None,
    goes_on_alone: Callable[[], bool] = lambda: False,
    is_quiet: bool = False,
) -> Batch:
    """
    Show the batch until it has ended, ``stop`` is set, or our own engine ended.

    With our own engine also until only a person can help; beside others until none
    works any more, unless ``goes_on_alone``.
    """
    with progress.shown(is_quiet=is_quiet) as show:
        for look in count():
            batch = await app.store.batch(batch_id)
            show(batch)
            if batch.state.status.has_ended or stop.is_set():
                break
            if engine is not None and (engine.done() or is_stuck(batch)):
                break
            is_beside = engine is None and look % _LOOKS == 0
            if is_beside and not await app.store.has_engine() and not goes_on_alone():
                break
            await told_within(stop, _LOOK_S)
    return batch


def is_stuck(batch: Batch) -> bool:
    """Whether the service paused the batch and will not try again by itself."""
    is_ours = batch.state.paused_by == SERVICE
    return is_ours and batch.resume_at is None


def result(batch: Batch, *, as_json: bool) -> ExitCode:
    """Print how a batch that was waited for stands; returns the exit code."""
    if as_json:
        output.as_json(views.view(batch))
    else:
        output.line(views.headline(batch))
        views.ledger(batch)
    if not batch.state.status.has_ended:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if views.is_good(batch) else ExitCode.NOT_GOOD
