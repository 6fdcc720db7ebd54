"""Printing: JSON, tables, and lines. Rich where somebody looks, plain in a pipe."""

import sys
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.table import Table

_NARROW = 6  # columns: what is cut up further nobody can read


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


def is_for_somebody() -> bool:
    """Whether standard output is a terminal, where a line has few columns."""
    return sys.stdout.isatty()


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], whole: Collection[str] = ()
) -> None:
    """
    Print a table; plain columns, nothing cut off, in a pipe or where it is too wide.

    ``whole``: headers of columns that are never on two lines; nor is the first, which
    names what other commands take.
    """
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    kept = {0, *(n for n, header in enumerate(headers) if header in whole)}
    least = [w if n in kept else min(w, _NARROW) for n, w in enumerate(widths)]
    gaps = len(widths) - 1
    console = Console(markup=False, emoji=False, highlight=False)
    if is_for_somebody() and sum(least) + gaps <= console.width:
        is_tight = sum(widths) + 2 * gaps > console.width
        shown = Table(box=None, pad_edge=False, collapse_padding=is_tight)
        for n, header in enumerate(headers):
            shown.add_column(
                header, overflow="fold", min_width=least[n], no_wrap=n in kept
            )
        for row in rows:
            shown.add_row(*row)
        console.print(shown)
        return
    for row in (headers, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line("  ".join(cells).rstrip())


def moment(value: datetime | None) -> str:
    """Write a time in UTC to the second; empty where there is none."""
    if value is None:
        return ""
    return value.astimezone(UTC).isoformat(" ", "seconds").replace("+00:00", "Z")


def brief_moment(value: datetime | None, now: datetime) -> str:
    """Write a time in UTC in ten columns: of today without the day, else the day."""
    day, _, time = moment(value).partition(" ")
    return time if day == now.astimezone(UTC).date().isoformat() else day


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
