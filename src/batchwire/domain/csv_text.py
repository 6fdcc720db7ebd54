"""CSV as RFC 4180 has it: its rows, and the first quote that breaks the rules."""

import csv
import re
from collections.abc import Iterable
from typing import Any

MAX_LINE_BYTES = 1024 * 1024
DELIMITERS = ",;\t|"
QUOTE_FLAW = 'a quote (") does not enclose a whole field'
QUOTE_REMEDY = (
    "Quotes stand around a whole field, without spaces, and are doubled inside: "
    '"5"" pipe"'
)
_sound_quotes = {  # by delimiter: matches up to the first quote that breaks RFC 4180
    mark: re.compile(
        rf'(?:[^"]++|(?<![^{edge}])"[^"]*+(?:""[^"]*+)*+"(?![^{edge}]))*+'
    ).match
    for mark in DELIMITERS
    for edge in (re.escape(mark) + r"\r\n",)
}


def reader(lines: Iterable[str], delimiter: str) -> Any:  # noqa: ANN401 - csv's own
    """Read rows, strictly; fields have at most ``MAX_LINE_BYTES`` characters."""
    csv.field_size_limit(MAX_LINE_BYTES)
    return csv.reader(lines, strict=True, delimiter=delimiter)


def quote_flaw(text: str, delimiter: str) -> int | None:
    """Find the first quote that neither encloses a whole field nor is doubled in one."""
    sound = _sound_quotes[delimiter](text)
    return sound.end() if sound and sound.end() < len(text) else None
