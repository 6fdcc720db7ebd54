"""
The head of a recipient list: which of the three formats it has, and which columns.

Found out from its first line that is not blank: a header of CSV, a number, or JSON.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from batchwire.domain.batch import ListFormat, ListSpec
from batchwire.domain.csv_text import (
    DELIMITERS,
    QUOTE_FLAW,
    QUOTE_REMEDY,
    quote_flaw,
    reader,
)
from batchwire.domain.printable import printable
from batchwire.errors import UnreadableList

JSON_SUFFIXES = (".jsonl", ".ndjson")
MAX_COLUMNS = 16_384  # as many as Excel has
NUMBER_COLUMNS = (
    "to",
    "number",
    "phone",
    "phone_number",
    "msisdn",
    "mobile",
    "recipient",
)
_SHOWN = 200  # characters of names in a sentence
_EXCEL_S_MARK = ["sep=", ""]  # "sep=;" before the header: what separates the fields
_NUMBER_CHARACTERS = frozenset("+0123456789 -.()/")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def without_mark(head: bytes, source: str) -> bytes:
    """
    Take a UTF-8 byte order mark off the head of a list.

    Raises:
        UnreadableList: the mark is that of UTF-16.

    """
    if head.startswith(_UTF16):
        raise UnreadableList(
            "is UTF-16",
            remedy="Save the list as UTF-8 (for example: iconv -f utf-16 -t utf-8)",
            source=source,
        )
    return head.removeprefix(b"\xef\xbb\xbf")


def describe(head: str, list_id: str, source: str, number_column: str) -> ListSpec:
    """
    Find out from its first whole records how a list is to be read.

    Raises:
        UnreadableList: no number column, two columns of one name, or nothing at all.

    """
    first = next((line for line in head.splitlines() if line.strip()), "")
    bare = first.strip()
    is_text = not number_column and bare[:1] == '"' and _is_number(bare.strip('"'))
    if is_text or bare.startswith(("{", "[")) or source.endswith(JSON_SUFFIXES):
        return ListSpec(list_id=list_id, format=ListFormat.JSONL, source=source)
    if not number_column and _is_number(bare):
        return ListSpec(list_id=list_id, format=ListFormat.PLAIN, source=source)
    delimiter = max(DELIMITERS, key=first.count)
    delimiter = delimiter if delimiter in first else ","
    header = _header(head, delimiter, source)
    return ListSpec(
        list_id=list_id,
        format=ListFormat.CSV,
        source=source,
        columns=header,
        number_column=_number_column(header, number_column, source),
        delimiter=delimiter,
    )


def header_bytes(head: str, delimiter: str) -> int:
    """
    Find where a CSV's header ends: blank lines and ``sep=;`` before it belong to it.

    ``head`` is what ``describe`` has read it from.
    """
    size = 0

    def lines() -> Iterator[str]:
        nonlocal size
        for line in io.StringIO(head, newline=""):
            size += len(line.encode())
            yield line

    _header_row(lines(), delimiter)
    return size


def shown(names: Sequence[str]) -> str:
    """Name columns within a sentence: on one line, and of many the first."""
    told = ", ".join(
        " ".join(printable(name[:_SHOWN]).split()) for name in names[:_SHOWN]
    )
    if len(told) <= _SHOWN and len(names) <= _SHOWN:
        return told or "none"
    return f"{told[:_SHOWN]}… ({len(names):,} columns)"


def _header(head: str, delimiter: str, source: str) -> tuple[str, ...]:
    try:
        header = _header_row(io.StringIO(head, newline=""), delimiter)
    except csv.Error:
        header = None
    flaw = quote_flaw(head, delimiter)
    if header is None or (
        flaw is not None and len(head[:flaw].encode()) < header_bytes(head, delimiter)
    ):
        raise UnreadableList(
            f"its header is not CSV: {QUOTE_FLAW}",
            remedy=f"Start with a line of column names. {QUOTE_REMEDY}",
            line=1,
            source=source,
        )
    if len(header) > MAX_COLUMNS:
        raise UnreadableList(
            f"has {len(header):,} columns; at most {MAX_COLUMNS:,} can be read",
            remedy="Check that its lines end, and leave out what no template names",
            line=1,
            source=source,
        )
    names = tuple(name.strip() for name in header)
    # No template can name a column without a name.
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    if twice:
        raise UnreadableList(
            f"has two columns of the name {shown(twice[:1])!r}",
            remedy="Rename or remove one: which to use cannot be guessed",
            line=1,
            source=source,
        )
    return names


def _header_row(lines: Iterable[str], delimiter: str) -> list[str]:
    """Read the first row that is not blank nor Excel's mark, and nothing behind it."""
    rows = reader(lines, delimiter)
    said = (row for row in rows if any(map(str.strip, row)))
    return next((row for row in said if row != _EXCEL_S_MARK), [])


def _number_column(header: Sequence[str], asked: str, source: str) -> int:
    lower = [name.lower() for name in header]
    if asked:
        if asked in header:
            return list(header).index(asked)
        problem = f"has no column {asked!r}; its columns are {shown(header)}"
        remedy = "Name one of them with --number-column"
    else:
        plain = NUMBER_COLUMNS[0]
        meant = {plain} if plain in lower else set(NUMBER_COLUMNS)
        known = [at for at, name in enumerate(lower) if name in meant]
        if len(known) == 1:
            return known[0]
        problem = (
            f"has several columns of numbers: {shown([header[at] for at in known])}"
            if known
            else f"has no column of numbers; its columns are {shown(header)}"
        )
        remedy = f"Name it {plain!r}, or say which it is with --number-column"
    raise UnreadableList(problem, remedy=remedy, line=1, source=source)


def _is_number(line: str) -> bool:
    """Whether a first line is a number rather than a header."""
    return set(line) <= _NUMBER_CHARACTERS and any(map(str.isdigit, line))
