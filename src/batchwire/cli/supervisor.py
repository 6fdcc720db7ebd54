"""
The supervisor: a parent that keeps processes of ours running on this machine.

It starts each, starts it again when it dies, ever later where it dies at once, and hands
on what it is told: one signal drains, a second ends at once. The children hold its pipe
as standard input: it closes with the parent, however that ends, and they drain.
"""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from math import inf
from typing import Any

import structlog

from batchwire.cli import output
from batchwire.cli.exit_codes import ExitCode
from batchwire.cli.session import MARGIN_S, ONE_SIGNAL_S, told_within

_FIRST_WAIT_S = 0.5
_LAST_WAIT_S = 30.0
_WELL_S = 60.0  # who lived so long begins again at the first wait
_AT_ONCE_S = 2.0
_HOPELESS = frozenset({ExitCode.USAGE, ExitCode.SETTINGS})

log = structlog.get_logger()


class Supervisor:
    """
    Runs each command until it is told to end.

    ``commands`` are words for our own program, by the name of the child.
    ``drain_timeout_s``: how long a child may drain.
    """

    def __init__(
        self, commands: Mapping[str, Sequence[str]], drain_timeout_s: float
    ) -> None:
        self.restarts = 0  # children that died and were started again
        self._commands = commands
        self._drain_timeout_s = drain_timeout_s
        self._stopping = asyncio.Event()
        self._heard_at = -inf  # of the loop's time: the last signal
        self._failure = ExitCode.OK
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._ends: set[asyncio.Task[None]] = set()

    async def run(self, until_ended: Sequence[str] = ()) -> ExitCode:
        """
        Run until SIGTERM or SIGINT, or until each of ``until_ended`` is done.

        Returns what the parent ends with: INTERRUPTED after a second signal, or the
        code of a child that can never work.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._heard, number)
        keeping = {
            name: asyncio.create_task(self._keep(name, is_done=name in until_ended))
            for name in self._commands
        }
        try:
            if until_ended:
                await asyncio.gather(*(keeping[name] for name in until_ended))
                self.stop()
            await asyncio.gather(*keeping.values())
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            for end in self._ends:
                end.cancel()
        return self._failure

    def stop(self) -> None:
        """Let every child drain; who takes too long is killed. Idempotent."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._tell(signal.SIGTERM)
        self._later(self._kill_after(self._drain_timeout_s + MARGIN_S))

    def _heard(self, number: signal.Signals) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._heard_at < ONE_SIGNAL_S:
            return
        is_first, self._heard_at = self._heard_at == -inf, now
        if is_first:
            self.stop()
            if number is signal.SIGINT:
                output.draining(self._drain_timeout_s)
            return
        self._failure = ExitCode.INTERRUPTED
        self._tell(signal.SIGTERM)
        self._later(self._kill_after(_AT_ONCE_S))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        self._ends.add(asyncio.create_task(work))

    async def _kill_after(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._tell(signal.SIGKILL)

    def _tell(self, number: signal.Signals) -> None:
        for child in self._children.values():
            if child.returncode is None:
                child.send_signal(number)

    async def _keep(self, name: str, *, is_done: bool) -> None:
        """Keep one child running; ``is_done``: one that ends well has ended for good."""
        loop = asyncio.get_running_loop()
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            started_at = loop.time()
            code = await self._live(name)
            if self._stopping.is_set() or (is_done and code == ExitCode.OK):
                return
            if code in _HOPELESS:
                self._failure = ExitCode(code)
                self.stop()
                return
            if loop.time() - started_at > _WELL_S:
                wait_s = _FIRST_WAIT_S
            self.restarts += 1
            log.warning("worker_died", worker=name, exit_code=code, delay_s=wait_s)
            await told_within(self._stopping, wait_s)
            wait_s = min(2 * wait_s, _LAST_WAIT_S)

    async def _live(self, name: str) -> int:
        """Run the child to its end; returns its exit code, negative for a signal."""
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "batchwire",
            *self._commands[name],
            stdin=asyncio.subprocess.PIPE,  # we never write; it closes with us
            start_new_session=True,  # Ctrl-C reaches it by us alone, and once
        )
        self._children[name] = child
        log.info("worker_started", worker=name, pid=child.pid)
        if self._stopping.is_set():  # it was being started when we were told
            child.send_signal(signal.SIGTERM)
        return await child.wait()
