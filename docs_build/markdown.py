"""Writing Markdown, and reading the comments that explain an enum's members."""

import inspect
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from textwrap import dedent

_MEMBER = re.compile(r"^    (\w+) = [^#\n]*#\s*(.+)$", re.MULTILINE)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; bars, and angle brackets outside code, are escaped."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join(f"| {' | '.join(map(_escaped, row))} |\n" for row in lines)


def _escaped(cell: str) -> str:
    pieces = cell.replace("|", "\\|").split("`")
    pieces[::2] = [piece.replace("<", "&lt;") for piece in pieces[::2]]
    return "`".join(pieces)


def code(text: str) -> str:
    """Write as code; nothing where there is nothing."""
    return f"`{text}`" if text else ""


def comments(kind: type[Enum]) -> dict[str, str]:
    """Give what stands as a comment beside each member, by the member's name."""
    return dict(_MEMBER.findall(inspect.getsource(kind)))


def first_line(thing: object) -> str:
    """Give the first line of a docstring, as Markdown."""
    return (inspect.getdoc(thing) or "").split("\n", 1)[0].replace("``", "`")


def prose(docstring: str | None) -> str:
    """Give a whole docstring as Markdown."""
    return dedent(docstring or "").strip().replace("``", "`") + "\n"
