"""Recipient lists to measure with: the same at every run, written as a stream."""

import csv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

TEMPLATE = "Hello {{name}}, your code is {{code}}"

_PIECE_BYTES = 256 * 1024
_STEP = 618_033_989  # coprime to 10**9: no number comes twice
_NAMES = tuple(
    f"{first}{last}"
    for first in ("An", "Ma", "Jo", "Be", "Li", "Pa", "Ro", "Su", "Ti", "Vi")
    for last in ("na", "ria", "seph", "rta", "sa", "ula", "bert", "sanne", "no", "cky")
)


def plain(path: Path, size: int) -> Path:
    """Write a CSV of so many recipients, all in E.164, with parameters of their own."""
    return _write(path, (_row(i, f"+{_digits(i)}") for i in range(size)))


def flawed(path: Path, size: int) -> Path:
    """Write one as it comes from a spreadsheet: 10 % other spellings, 1 % duplicates."""
    return _write(path, (_row(i, _spelt(i)) for i in range(size)))


def rows(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a list, without its header."""
    with path.open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        yield from reader


async def pieces(path: Path) -> AsyncIterator[bytes]:
    """Yield a file as it would arrive."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _write(path: Path, rows: Iterator[str]) -> Path:
    with path.open("w") as file:
        file.write("to,name,code\n")
        file.writelines(rows)
    return path


def _row(i: int, number: str) -> str:
    return f"{number},{_NAMES[i % len(_NAMES)]},{i * 7_654_321 % 1_000_000:06d}\n"


def _digits(i: int) -> str:
    return f"4917{i * _STEP % 10**9:09d}"


def _spelt(i: int) -> str:
    digits = _digits(i - 50 if i % 100 == 99 else i)  # noqa: PLR2004
    kind = i % 30
    if kind == 0:
        return f"+{digits[:2]} {digits[2:5]} {digits[5:]}"
    if kind == 10:  # noqa: PLR2004
        return f"00{digits}"
    if kind == 20:  # noqa: PLR2004
        return f"0{digits[2:5]} {digits[5:]}"
    return f"+{digits}"
