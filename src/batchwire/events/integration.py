"""
Batch events out of a system that has its own batches.

Every ``on_sms_batch_…`` keeps an event in the host's own file and returns; a thread
sends it. They may be called from sync code, from any thread, and inside an event loop:
they wait for no disk and no broker, and raise nothing. What cannot be kept is logged
as ``Failed to publish`` and counted.

Source: the specification, "与现有SMS批处理系统集成"; CONTRACT.md, "Python names".
"""

import os
import threading
import weakref
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog

from batchwire.domain.lifecycle import Operation
from batchwire.errors import BatchwireError
from batchwire.events.relay import Relay
from batchwire.events.reports import CREATED, OPERATION, STATUS, Reports
from batchwire.events.sender import Sender
from batchwire.ports.bus import Producer
from batchwire.ports.clock import Clock
from batchwire.ports.host_outbox import HostOutbox

EXIT_TIMEOUT_S = 3.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationMetrics:
    """
    What became of the calls of this process.

    ``kept``: calls whose event is kept. ``failed``: calls whose event is lost, for a
    bad argument or for want of room; each has its line in the log. ``published``: events
    that the broker acknowledged, those taken over from dead processes among them.
    ``waiting``: events that are not sent yet.
    """

    kept: int = 0
    failed: int = 0
    published: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an integration is made of; each process of the host makes its own."""

    outbox: Callable[[], HostOutbox]
    producer: Callable[[], Producer]
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Running:
    outbox: HostOutbox
    sender: Sender


class BatchEventIntegration:
    """
    Reports what a host's batches do; ``batchwire.integration.connect`` makes one.

    A forked process has a spool and a thread of its own from its first call on. At the
    end of the process what waits is sent for at most ``EXIT_TIMEOUT_S``; the rest is
    sent by the next process, or by one that still runs.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.RLock()  # a signal handler may call amid a call
        self._reports = Reports(parts.clock)
        self._failed = 0
        self._before = IntegrationMetrics()
        self._left_to_parent: list[_Running] = []
        self._running: _Running | None = self._start()
        _forget_in_children(self)
        _close_at_exit(self)

    def on_sms_batch_created(
        self,
        batch_id: str,
        user_id: str,
        recipients: Collection[Any],
        template: str,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Announce a batch that the host sends; the record has ``execution: observed``.

        ``recipients``: numbers, or ``{"to": …, "params": {…}}``. Of a list of more than
        10,000, or too large for a record, the first are announced, with the size of the
        whole in ``recipients_count``.
        """
        values = batch_id, user_id, recipients, template, params
        self._publish(CREATED, values)

    def on_sms_batch_status_changed(  # noqa: PLR0913, PLR0917 - the specification's own
        self,
        batch_id: str,
        status: str,
        phase: str = "",
        progress: float = 0.0,
        processed: int = 0,
        success: int = 0,
        failed: int = 0,
        error_message: str = "",
    ) -> None:
        """Say where a batch is; ``progress`` is the share 0 to 1 of the phase."""
        counts = processed, success, failed
        values = batch_id, status, phase, progress, *counts, error_message
        self._publish(STATUS, values)

    def on_sms_batch_paused(
        self, batch_id: str, phase: str = "", reason: str = "", operator_id: str = ""
    ) -> None:
        """Tell that a batch was paused, by whom and why."""
        values = batch_id, Operation.PAUSE, phase, reason, operator_id
        self._publish(OPERATION, values)

    def on_sms_batch_resumed(
        self, batch_id: str, phase: str = "", reason: str = "", operator_id: str = ""
    ) -> None:
        """Tell that a batch was resumed, by whom and why."""
        values = batch_id, Operation.RESUME, phase, reason, operator_id
        self._publish(OPERATION, values)

    def on_sms_batch_aborted(
        self, batch_id: str, reason: str = "", operator_id: str = ""
    ) -> None:
        """Tell that a batch was aborted, by whom and why."""
        values = batch_id, Operation.ABORT, "", reason, operator_id
        self._publish(OPERATION, values)

    def on_sms_batch_retried(
        self, batch_id: str, reason: str = "", operator_id: str = "", phase: str = ""
    ) -> None:
        """Tell that a batch is tried again; ``phase``: which one runs again."""
        values = batch_id, Operation.RETRY, phase, reason, operator_id
        self._publish(OPERATION, values)

    def metrics(self) -> IntegrationMetrics:
        """Return what became of the calls of this process."""
        running = self._running
        known = _added(self._before, running) if running else self._before
        return replace(known, failed=known.failed + self._failed)

    def is_healthy(self) -> bool:
        """Whether events are kept on disk and the sender's loop moves; asks no broker."""
        running = self._running
        if running is None:
            return True  # the next call starts it
        return not running.outbox.problem and running.sender.is_alive

    def close(self, timeout_s: float = 10.0) -> bool:
        """
        Send what waits, at most so long; whether all of it is sent.

        A later call of this process begins anew.
        """
        with self._lock:
            running, self._running = self._running, None
        if running is None:
            return True
        has_ended = running.sender.close(timeout_s)
        self._before = _added(self._before, running)
        if self._before.waiting:
            log.warning("batch_events_wait", count=self._before.waiting)
        return has_ended and not self._before.waiting

    def _publish(self, kind: int, values: tuple[Any, ...]) -> None:
        try:
            append = (self._running or self._begin()).outbox.append
            if kind == CREATED:
                append(self._reports.created(*values))
            else:
                append(self._reports.report(kind, values))
        except Exception as error:  # noqa: BLE001 - nothing goes into the host's business
            self._failed += 1
            with suppress(Exception):  # nor does a log that cannot be written
                _say_failed(values[0], error)

    def _begin(self) -> _Running:
        """Start, where a fork or ``close`` has left nothing that runs."""
        with self._lock:
            if self._running is None:
                self._running = self._start()
            return self._running

    def _start(self) -> _Running:
        parts = self._parts
        outbox = parts.outbox()
        sender = Sender(
            lambda: Relay(outbox, parts.producer(), parts.clock, f"host-{os.getpid()}"),
            lambda: outbox.waiting_rows,
            parts.clock,
        )
        try:
            sender.start()
        except RuntimeError as error:
            # As at the end of the process: the next one sends.
            log.warning("sender_not_started", error=str(error))
        return _Running(outbox, sender)

    def _forget_parent(self) -> None:
        """
        Leave the parent's files and thread to it; called in a forked child.

        What the thread had stays referenced: a broker client that is taken apart here
        would wait for threads that exist in the parent only.
        """
        self._lock = threading.RLock()
        self._reports = Reports(self._parts.clock)
        self._failed = 0
        self._before = IntegrationMetrics()
        running, self._running = self._running, None
        if running is not None:
            self._left_to_parent.append(running)
            running.outbox.leave()


def _added(before: IntegrationMetrics, running: _Running) -> IntegrationMetrics:
    outbox = running.outbox
    return IntegrationMetrics(
        kept=before.kept + outbox.kept,
        failed=before.failed + outbox.lost,
        published=before.published + running.sender.published,
        waiting=outbox.waiting_rows,
    )


def _forget_in_children(integration: BatchEventIntegration) -> None:
    known = weakref.ref(integration)

    def forget() -> None:
        one = known()
        if one is not None:
            one._forget_parent()  # noqa: SLF001 - the other half of its constructor

    os.register_at_fork(after_in_child=forget)


def _close_at_exit(integration: BatchEventIntegration) -> None:
    """
    Close it before ``concurrent.futures`` waits for its threads, at the process's end.

    ``atexit`` comes after that: a thread that waits for a broker would keep the host
    from ending, and no thread would take what is left to send.
    """
    threading._register_atexit(integration.close, EXIT_TIMEOUT_S)  # type: ignore[attr-defined]  # noqa: SLF001


def _say_failed(batch_id: object, error: Exception) -> None:
    code = error.code if isinstance(error, BatchwireError) else type(error).__name__
    shown = batch_id if isinstance(batch_id, str) else type(batch_id).__name__
    log.error("Failed to publish", batch_id=shown, error_code=code, error=str(error))
