"""
The records of a recipient list: where to cut, and which rows.

Three formats: CSV (RFC 4180) behind its header, plain text with a number a line, and
JSON Lines with ``{"to": …, "params": {…}}``. A list is read in blocks that end where a
record ends, so each block can be read by itself. In CSV and plain text a CR alone ends a
line too.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from batchwire.domain.batch import ListFormat, ListSpec
from batchwire.domain.csv_text import (
    DELIMITERS,
    MAX_LINE_BYTES,
    QUOTE_FLAW,
    QUOTE_REMEDY,
    quote_flaw,
    reader,
)
from batchwire.errors import UnreadableList

_PIECE = 32 * 1024  # characters
_BESIDE_MARKS = {  # by delimiter: every byte that ends neither a field nor a row
    mark: bytes(set(range(256)) - {ord(mark), ord("\n")}) for mark in DELIMITERS
}


class _Line(msgspec.Struct, gc=False):
    to: str
    params: dict[str, Any] = {}


_number_decoder = msgspec.json.Decoder(str | _Line)


class Rows(msgspec.Struct, frozen=True):
    """
    Some recipients, by column.

    ``numbers`` as given; ``columns`` stand beside the asked names, null where a
    recipient has no such parameter; ``problems`` are rows that cannot be used.
    """

    numbers: list[str]
    columns: list[list[str | None]]
    problems: dict[int, str]


def text_of(data: bytes, *, first_line: int, source: str) -> str:
    """
    Decode a block.

    Raises:
        UnreadableList: it is no UTF-8 text; says the line.

    """
    try:
        if b"\0" not in data:
            return data.decode()
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        raise UnreadableList(
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            remedy="Save the list as UTF-8 (for example: iconv -f windows-1252 -t utf-8)",
            line=line,
            source=source,
        ) from None
    raise UnreadableList(
        "has NUL bytes: this is a binary file, or UTF-16",
        remedy="Give a CSV, JSON Lines or plain text file in UTF-8",
        line=first_line + data.count(b"\n", 0, data.index(b"\0")),
        source=source,
    )


def cut(buffer: bytes, *, is_csv: bool) -> int:
    """
    Find how many bytes of the buffer are whole records; 0 where none is.

    A newline within quotes ends no CSV record: up to a record's end the number of
    quotes is even. Where no newline fits that (a lone quote), the last newline it is:
    ``check`` then says what it finds.
    """
    end = buffer.rfind(b"\n") + 1
    if not is_csv or buffer.count(b'"', 0, end) % 2 == 0:
        return end
    even, is_odd = end, 1
    while even and is_odd:
        before = buffer.rfind(b"\n", 0, even - 1) + 1
        is_odd ^= buffer.count(b'"', before, even) & 1
        even = before
    return even if even or len(buffer) < MAX_LINE_BYTES else end


def pieces(text: str, spec: ListSpec) -> Iterator[str]:
    """Cut a block where records end, so small that all of a piece stays in the cache."""
    if spec.format is ListFormat.CSV and '"' in text:  # may hold newlines of its own
        yield text
        return
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PIECE) + 1 or len(text)
        yield text[start:end]
        start = end


def read(text: str, spec: ListSpec, names: Sequence[str], first_line: int) -> Rows:
    """
    Read a block of whole records; a CSV's header is not among them.

    Blank lines are passed over. ``names`` are the parameters wanted.

    Raises:
        UnreadableList: a record that breaks the format; says the line.

    """
    if spec.format is ListFormat.CSV:
        return _read_csv(text, spec, names, first_line)
    if spec.format is ListFormat.PLAIN:
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        numbers = [line for line in text.split("\n") if line and not line.isspace()]
        return Rows(numbers, [[None] * len(numbers) for _ in names], {})
    return _read_json(text, spec, names, first_line)


def check(text: str, spec: ListSpec, first_line: int) -> int:
    """
    Check a block as ``read`` does; returns how many recipients it finds there.

    Raises:
        UnreadableList: a record that breaks the format; says the line.

    """
    if spec.format is not ListFormat.CSV:
        return len(read(text, spec, (), first_line).numbers)
    plain = _plain(text, spec)
    if plain is not None:
        return plain[1]
    rows = _rows(text, spec, first_line)
    return sum(1 for row in rows if len(row) > 1 or _is_record(row))


def part(rows: Rows, start: int, end: int | None = None) -> Rows:
    """Take the rows from ``start`` to before ``end``."""
    return Rows(
        rows.numbers[start:end],
        [column[start:end] for column in rows.columns],
        {
            at - start: problem
            for at, problem in rows.problems.items()
            if at >= start and (end is None or at < end)
        },
    )


def joined(first: Rows, second: Rows) -> Rows:
    """Put rows behind rows."""
    size = len(first.numbers)
    return Rows(
        first.numbers + second.numbers,
        [a + b for a, b in zip(first.columns, second.columns, strict=True)],
        first.problems | {at + size: p for at, p in second.problems.items()},
    )


def _read_csv(text: str, spec: ListSpec, names: Sequence[str], first_line: int) -> Rows:
    known = [name for name in names if name in spec.columns]
    places = [spec.number_column, *map(spec.columns.index, known)]
    plain = _plain(text, spec)
    (numbers, *columns), problems = (
        _parsed_columns(text, spec, places, first_line)
        if plain is None
        else (_plain_columns(plain[0], spec, places), {})
    )
    wanted = dict(zip(known, columns, strict=True))
    return Rows(
        numbers,
        [wanted.get(name) or [None] * len(numbers) for name in names],
        problems,
    )


def _plain(text: str, spec: ListSpec) -> tuple[str, int] | None:
    """
    Tell what most blocks are: no quotes, no blank lines, as many fields as columns.

    Such a one comes back with LF between its rows, and with their number; else None. It
    is read five times as fast as by the reader, which also makes a list of every row for
    the garbage collector to look at.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    text = text.removesuffix("\n")
    width = len(spec.columns)
    if width == 1 or '"' in text or "\r" in text:
        return None
    marks = text.encode().translate(None, _BESIDE_MARKS[spec.delimiter]) + b"\n"
    rows = len(marks) // width
    is_plain = marks == (spec.delimiter.encode() * (width - 1) + b"\n") * rows
    return (text, rows) if is_plain else None


def _plain_columns(text: str, spec: ListSpec, places: Sequence[int]) -> list[Any]:
    cells = text.replace("\n", spec.delimiter).split(spec.delimiter)
    return [cells[at :: len(spec.columns)] for at in places]


def _parsed_columns(
    text: str, spec: ListSpec, places: Sequence[int], first_line: int
) -> tuple[list[Any], dict[int, str]]:
    """Read any block, row by row; also says which rows have too many fields."""
    rows = list(_rows(text, spec, first_line))
    width = len(spec.columns)
    problems: dict[int, str] = {}
    if width == 1 or set(map(len, rows)) != {width}:
        rows = list(filter(_is_record, rows))
        problems = {
            i: "too_many_fields" for i, row in enumerate(rows) if len(row) > width
        }
    columns = [[row[at] if at < len(row) else None for row in rows] for at in places]
    columns[0] = [number or "" for number in columns[0]]
    return columns, problems


def _is_record(row: list[str]) -> bool:
    """Whether it is no blank line; ``""`` is a record, of one empty field."""
    return bool(row) and not (len(row) == 1 and row[0].isspace())


def _rows(text: str, spec: ListSpec, first_line: int) -> Iterator[list[str]]:
    if (flaw := quote_flaw(text, spec.delimiter)) is not None:
        raise UnreadableList(
            f"is not CSV: {QUOTE_FLAW}",
            remedy=QUOTE_REMEDY,
            line=first_line + text.count("\n", 0, flaw),
            source=spec.source,
        )
    rows = reader(io.StringIO(text, newline=""), spec.delimiter)
    before = 0
    try:
        for row in rows:
            yield row
            before = rows.line_num
    except csv.Error as error:
        raise UnreadableList(
            f"is not CSV: {error}",
            remedy="Make the field shorter",
            line=first_line + before,
            source=spec.source,
        ) from None


def _read_json(
    text: str, spec: ListSpec, names: Sequence[str], first_line: int
) -> Rows:
    numbers: list[str] = []
    columns: list[list[str | None]] = [[] for _ in names]
    wanted = list(zip(columns, names, strict=True))
    for offset, line in enumerate(text.encode().split(b"\n")):
        if not line:
            continue
        try:
            record = _number_decoder.decode(line)
            if isinstance(record, str):
                record = _Line(record)
            for column, name in wanted:
                column.append(_as_text(record.params.get(name)))
        except (msgspec.MsgspecError, RecursionError) as error:
            if line.decode().isspace():
                continue
            raise UnreadableList(
                f"is no recipient: {error}",
                remedy='Write one {"to": "+4479…", "params": {…}} a line',
                line=first_line + offset,
                source=spec.source,
            ) from None
        numbers.append(record.to)
    return Rows(numbers, columns, {})


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
