"""Printing: JSON, tables, and lines. Rich where somebody looks, plain in a pipe."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.table import Table


def line(text: str = "") -> None:
    """Print a line on standard output."""
    print(text)  # noqa: T201 - this is the program's output


def no_engine() -> None:
    """Say on standard error that what is asked for waits for an engine."""
    note("no engine works on this database; `batchwire serve` starts one")


def draining(limit_s: float) -> None:
    """Say on standard error that our own engine waits, and what one more Ctrl-C does."""
    note(
        "stopping: waits for the answers to what is in flight (at most"
        f" {duration(limit_s)}); Ctrl-C again ends at once and leaves them uncertain"
    )


def note(text: str) -> None:
    """Print a line for the person at the terminal, on standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def as_json(value: object) -> None:
    """Print JSON, indented: times RFC 3339, enums by value."""
    encoded = msgspec.json.encode(value)
    line(msgspec.json.format(encoded, indent=2).decode())


def json_line(value: object) -> None:
    """Print JSON on one line."""
    line(msgspec.json.encode(value).decode())


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; in a pipe plain columns, nothing cut off."""
    if sys.stdout.isatty():
        shown = Table(box=None, pad_edge=False)
        # The first names what other commands take: never cut, never on two lines.
        least = max((len(row[0]) for row in rows), default=0)
        for header in headers:
            shown.add_column(header, overflow="fold", min_width=least)
            least = 0
        for row in rows:
            shown.add_row(*row)
        Console().print(shown)
        return
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in (headers, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line("  ".join(cells).rstrip())


def moment(value: datetime | None) -> str:
    """Write a time in UTC to the second; empty where there is none."""
    if value is None:
        return ""
    return value.astimezone(UTC).isoformat(" ", "seconds").replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """Write a duration: ``42 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {rest} s"
    hours, rest = divmod(minutes, 60)
    return f"{hours:,} h {rest} min"
