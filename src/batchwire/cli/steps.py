"""Showing how far a long piece of work is: a bar on a terminal, lines in a pipe."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from batchwire.cli import output

_LINE_EVERY_S = 5.0


class Steps:
    """Is told what is being done and how far it is; ``is_quiet`` shows nothing."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=is_quiet or not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("", total=0)
        self._has_lines = not is_quiet and self._bar.disable
        self._line_at = time.monotonic() + _LINE_EVERY_S

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def tell(self, what: str, done: int, whole: int) -> None:
        """Show this."""
        self._bar.update(self._task, description=what, completed=done, total=whole)
        if self._has_lines and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _LINE_EVERY_S
            output.note(f"{what}: {done:,} of {whole:,}")
