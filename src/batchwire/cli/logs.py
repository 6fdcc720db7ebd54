"""Log lines on standard error; commands that a person waits for only log warnings."""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from batchwire.cli.failures import DEBUG_VARIABLE
from batchwire.config import Origin, Settings


def configure(settings: Settings, level: str = "") -> None:
    """Set up structlog; ``level`` counts where the settings name none."""
    if not level or settings.origin_of(("log_level",)) is not Origin.DEFAULT:
        level = settings.log_level
    is_console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exceptions,
            structlog.dev.ConsoleRenderer(colors=is_console and sys.stderr.isatty())
            if is_console
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Stderr())),
    )


class _Stderr:
    """Standard error as it is when a line is written: a progress bar puts itself there."""

    def write(self, text: str) -> None:
        """Write it, above the bar where there is one."""
        sys.stderr.write(text)

    def flush(self) -> None:
        """Flush it."""
        sys.stderr.flush()


def _exceptions(
    logger: object,
    method: str,
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Say an exception in one line; whole where somebody debugs."""
    if os.environ.get(DEBUG_VARIABLE):
        return structlog.processors.format_exc_info(logger, method, event)
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()[1]
    if isinstance(raised, BaseException):
        event["error"] = f"{type(raised).__name__}: {raised}"
    return event
