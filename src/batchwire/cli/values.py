"""Reading what stands in options: times, parameters, texts, lists."""

import asyncio
import os
import re
import select
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import BinaryIO

import typer

from batchwire.config import Settings
from batchwire.errors import (
    BrokenTemplate,
    MalformedMessage,
    ProviderSettingsRefused,
    UnreadableList,
)
from batchwire.messages.times import parse_time

STDIN = "-"
_AGE = re.compile(r"(\d{1,6})([hdw])", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_PIECE_BYTES = 256 * 1024
_LOOK_S = 0.2
_TEMPLATE_BYTES = 1024 * 1024


def time_of(option: str, text: str) -> datetime | None:
    """
    Read a time; None where none was given.

    Raises:
        BadParameter: it is none.

    """
    try:
        return parse_time(option, text)
    except MalformedMessage as error:
        raise typer.BadParameter(str(error)) from None


def until_of(option: str, text: str) -> datetime | None:
    """
    Read a time up to which all counts; None where none was given.

    Without a fraction it is the end of its second: so are times printed, and who copies
    one means what stands there.

    Raises:
        BadParameter: it is none.

    """
    until = time_of(option, text)
    if until is None or "." in text:
        return until
    return until.replace(microsecond=999_999)


def age_of(option: str, text: str) -> timedelta:
    """
    Read an age: ``36h``, ``90d``, ``2w``.

    Without a unit it is none, and neither is ``3m``: taken for minutes where months
    were meant it would cost everything.

    Raises:
        BadParameter: it is none.

    """
    found = _AGE.fullmatch(text)
    if found is None:
        problem = f"{option}: must be hours, days or weeks, such as 36h, 90d or 2w, not {text!r}"
        raise typer.BadParameter(problem)
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


def rate_of(option: str, rate: float) -> float:
    """
    Take a rate that is a number of parts.

    Raises:
        BadParameter: it is infinite, or none.

    """
    if not isfinite(rate):
        problem = (
            f"{option}: must be a number of parts per second (0: no limit), not {rate}"
        )
        raise typer.BadParameter(problem)
    return rate


def params_of(pairs: Sequence[str]) -> dict[str, str]:
    """
    Read ``name=value`` pairs.

    Raises:
        BadParameter: one has no name or no ``=``.

    """
    params = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (name and sign):
            problem = f"--param {pair!r}: write name=value"
            raise typer.BadParameter(problem)
        params[name] = value
    return params


def template_of(text: str | None, file: Path | None) -> str:
    """
    Take the template from the option or the file, exactly one of them.

    Raises:
        BadParameter: none or both are given.
        BrokenTemplate: the file cannot be read, or nothing stands in it.

    """
    if (text is None) == (file is None):
        raise typer.BadParameter("give one of --template and --template-file")
    if file is not None:
        text = _read(file)
    if not text:
        raise BrokenTemplate("is empty; write the text of the message")
    return text


def provider_of(settings: Settings, asked: str) -> str:
    """
    Name the provider: as asked, else the default of the settings.

    Raises:
        ProviderSettingsRefused: there is none of this name.
        SettingsError: nobody is named, and there is no default.

    """
    names = sorted(settings.providers)
    if asked in names:
        return asked
    if not asked:
        return settings.demanded_default()
    near = get_close_matches(asked, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    message = f"there is no provider {asked!r}; there are {', '.join(names)}{hint}"
    raise ProviderSettingsRefused(message)


async def pieces(source: str) -> AsyncIterator[bytes]:
    """
    Yield a list's bytes: a file's, or those of standard input for ``-``.

    Raises:
        UnreadableList: the file cannot be read.

    """
    try:
        if source == STDIN:
            async for piece in _of_stdin():
                yield piece
        else:
            with Path(source).open("rb") as file:  # noqa: ASYNC230 - 256 KiB at a time
                for piece in _pieces(file):
                    yield piece
    except OSError as error:
        raise UnreadableList(
            f"cannot be read: {error.strerror}",
            remedy="Name a file that is there, or - for standard input",
            source=source,
        ) from error


def name_of(source: str) -> str:
    """Name a list in messages and in the batch."""
    return "standard input" if source == STDIN else source


async def _of_stdin() -> AsyncIterator[bytes]:
    """Read where somebody may still type: Ctrl-C ends the waiting."""
    stdin = sys.stdin.fileno()
    while True:
        while not select.select([stdin], [], [], 0)[0]:
            await asyncio.to_thread(select.select, [stdin], [], [], _LOOK_S)
        piece = os.read(stdin, _PIECE_BYTES)
        if not piece:
            return
        yield piece


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_PIECE_BYTES), b"")


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8-sig") as opened:
            text = opened.read(_TEMPLATE_BYTES)
    except OSError as error:
        problem = f"the file {file} cannot be read: {error.strerror}"
        raise BrokenTemplate(problem) from error
    except UnicodeDecodeError as error:
        problem = f"the file {file} is not UTF-8 at byte {error.start + 1}; save it so"
        raise BrokenTemplate(problem) from error
    return text.removesuffix("\n")
