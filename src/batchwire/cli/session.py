"""What a command works with: the settings, the service on its database, and signals."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import Any, TypeVar

import typer

from batchwire.bootstrap import App, opened, spare_collections, switch_often
from batchwire.cli import logs, output
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.options import Globals
from batchwire.config import Settings, load, load_for_database
from batchwire.errors import StoreUnreachable

try:
    import uvloop
except ModuleNotFoundError:  # no wheel for this system
    _run_loop: Any = asyncio.run
else:
    _run_loop = uvloop.run

T = TypeVar("T")
MARGIN_S = 10.0  # beyond the time to drain, until a process is ended
ONE_SIGNAL_S = 0.3  # what comes twice within it is one signal, passed on by a group too
_STDIN = 0


def settings_of(ctx: typer.Context, log_level: str = "warning") -> Settings:
    """
    Load the settings with what stands before the command, and set up the logs.

    ``log_level`` counts where nobody set one; empty is the settings' default.

    Raises:
        SettingsError: they cannot be used.

    """
    given: Globals = ctx.obj
    settings = load(given.config, {"database_url": given.database})
    logs.configure(settings, log_level)
    return settings


def database_settings_of(ctx: typer.Context) -> Settings:
    """
    Load the settings of a command that sends nothing, as ``settings_of`` does.

    A slip in those of sending, or a variable of no setting, takes no ``pause`` away: it
    is noted on standard error and left aside.

    Raises:
        SettingsError: others cannot be used.

    """
    given: Globals = ctx.obj
    flags = {"database_url": given.database}
    settings, wrong = load_for_database(given.config, flags)
    if wrong:
        output.note(f"note: {wrong}; this command does without")
    logs.configure(settings, "warning")
    return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; Ctrl-C cancels it."""
    spare_collections()
    switch_often()
    result: T = _run_loop(work)
    return result


def on_database(ctx: typer.Context, work: Callable[[App], Awaitable[T]]) -> T:
    """
    Do something with the batches of a database that must exist already.

    For what needs neither providers nor engine: in ``work`` they may be the defaults.

    Raises:
        SettingsError: the other settings cannot be used.
        StoreUnreachable: there is no such file.

    """
    return work_on(database_settings_of(ctx), work)


def work_on(settings: Settings, work: Callable[[App], Awaitable[T]]) -> T:
    """
    Do something with the batches of a database that must exist already.

    Raises:
        StoreUnreachable: there is no such file.

    """
    check_existence(settings)

    async def within() -> T:
        async with opened(settings) as app:
            return await work(app)

    return run(within())


def check_existence(settings: Settings) -> None:
    """Refuse a database that is not there: reading makes no file."""
    path = settings.database_path
    log = Path(f"{path}-wal")  # where it is left alone, who opens the database says so
    if path and not Path(path).exists() and not (log.exists() and log.stat().st_size):
        message = (
            f"database {path}: there is no such file; `batchwire send` makes it, or"
            " name another with --database"
        )
        raise StoreUnreachable(message)


def tell_if_new(settings: Settings) -> None:
    """Say that a database is made: perhaps another one was meant."""
    if is_new(settings):
        path = settings.database_path
        output.note(f"there was no database {path}: it is made, and is empty")


def is_new(settings: Settings) -> bool:
    """Whether the database is a file that is not there yet."""
    path = settings.database_path
    return bool(path) and not Path(path).exists()


@contextmanager
def stopping(
    drain_timeout_s: float = inf, tell: Callable[[], None] = lambda: None
) -> Iterator[asyncio.Event]:
    """
    Give the event that the first Ctrl-C or SIGTERM sets; the next ends at once.

    So does who has not ended ``drain_timeout_s`` and ``MARGIN_S`` after the event was
    set, by whomever: a server hangs. Ending at once loses nothing: what is unanswered is
    found at the next start.
    ``tell`` is called at once where the first was Ctrl-C: somebody waits.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    heard_at = -inf

    async def limit() -> None:
        await stop.wait()
        await asyncio.sleep(drain_timeout_s + MARGIN_S)
        _end_at_once()

    def heard(number: signal.Signals) -> None:
        nonlocal heard_at
        if loop.time() - heard_at < ONE_SIGNAL_S:
            return
        if stop.is_set():
            _end_at_once()
        heard_at = loop.time()
        stop.set()
        if number is signal.SIGINT:
            tell()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard, number)
    limited = loop.create_task(limit()) if drain_timeout_s < inf else None
    try:
        yield stop
    finally:
        if limited is not None:
            limited.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if stop.is_set():  # one that comes late would kill it on its last steps
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _end_at_once() -> None:
    """End as ``kill -9`` would, with a sentence."""
    # A progress bar hides the cursor, and takes out what would show it again.
    stream = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    cursor = "\x1b[?25h\n" if stream.isatty() else ""
    told = "ended at once; the next start goes on where this one was"
    print(f"{cursor}{told}", file=stream, flush=True)
    os._exit(ExitCode.INTERRUPTED)


async def told_within(event: asyncio.Event, limit_s: float) -> None:
    """Wait for an event, at most so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()


def when_stdin_ends(tell: Callable[[], None]) -> None:
    """Call in this loop when standard input ends; it may be any kind of file."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        while os.read(_STDIN, 4096):
            pass
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=wait, name="stdin", daemon=True).start()
