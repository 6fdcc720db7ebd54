"""Showing how a batch goes on: a bar on a terminal, lines in a pipe, or nothing."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from batchwire.cli import output, views
from batchwire.domain import counts
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Status

_RUNNING = {Status.PREPARATION_RUNNING, Status.DELIVERY_RUNNING}
_WINDOW_S = 5.0
_LINE_EVERY_S = 2.0


@contextmanager
def shown(*, is_quiet: bool) -> Iterator[Callable[[Batch], None]]:
    """
    Give what is told how a batch stands, several times a second.

    By where standard error goes; ``is_quiet`` shows nothing.
    """
    if is_quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        bar = Bar()
        with bar.progress:
            yield bar.update
    else:
        yield Lines().update


class Speed:
    """Recipients per second over the last seconds, and what is left at that speed."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._status: Status | None = None

    def text(self, batch: Batch, now: float) -> str:
        """Say rate, time left and what limits, as far as they are known."""
        is_sealed = batch.state.is_sealed
        whole = sum(batch.counts) if is_sealed else batch.spec.list.records
        done = counts.processed(batch.counts) if is_sealed else sum(batch.counts)
        if batch.state.status is not self._status:
            self._status = batch.state.status
            self._seen.clear()
        self._seen.append((now, done))
        while now - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        elapsed_s = now - self._seen[0][0]
        rate = (done - self._seen[0][1]) / elapsed_s if elapsed_s > 0 else 0.0
        words = [f"{done:,} of {max(whole, done):,}"]
        # While it rests, what is still answered is no speed; nor is what reads 0/s.
        if self._status in _RUNNING and round(rate) > 0:
            words.append(f"{rate:,.0f}/s")
            words.append(f"{output.duration(max(0, whole - done) / rate)} left")
        if batch.limited_by:
            words.append(f"limited by {batch.limited_by}")
        if batch.state.reason and not batch.state.status.has_ended:
            words.append(batch.state.reason)
        return ", ".join(words)


class Lines:
    """A line for each status, and every two seconds one if it says something else."""

    def __init__(self) -> None:
        self._speed = Speed()
        self._status: Status | None = None
        self._told = ""
        self._next_at = 0.0

    def update(self, batch: Batch) -> None:
        """Print a line, if it is time."""
        now, status = time.monotonic(), batch.state.status
        told = self._speed.text(batch, now)
        is_time = now >= self._next_at and told != self._told
        if status is not self._status or is_time:
            self._status, self._told = status, told
            self._next_at = now + _LINE_EVERY_S
            output.note(f"{batch.spec.batch_id} {status}: {told}")


class Bar:
    """A bar with phase, rate, time left and what limits; seen within ``progress``."""

    def __init__(self) -> None:
        self._speed = Speed()
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} % {task.fields[told]}", markup=False),
            console=Console(stderr=True, markup=False, emoji=False, highlight=False),
        )
        self._task: TaskID | None = None

    def update(self, batch: Batch) -> None:
        """Move the bar."""
        if self._task is None:
            self._task = self.progress.add_task("", total=1.0, told="")
        self.progress.update(
            self._task,
            description=f"{batch.spec.batch_id} {batch.state.status}",
            completed=views.progress(batch),
            told=self._speed.text(batch, time.monotonic()),
        )
