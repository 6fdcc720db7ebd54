"""
What of a message can stand in a request: ``<to>``, ``<text>`` and the like.

Angle brackets, because ``{{name}}`` is the recipient's parameter in the text of a batch,
``{to}`` is a mapping in YAML, and ``$to`` belongs to the shell.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Final

from pydantic import JsonValue

from batchwire.domain import segments
from batchwire.domain.encoding import Encoding
from batchwire.domain.outcome import Message

Value = Callable[[Message], str | int]
_VALUES: Final[Mapping[str, Value]] = {
    "to": attrgetter("to"),  # E.164 with the plus
    "to_digits": lambda message: message.to.removeprefix("+"),
    "text": attrgetter("text"),
    "parts": attrgetter("parts"),  # an integer where it is the whole value
    "key": attrgetter("key"),  # idempotency key: the same when an attempt is repeated
    "reference": lambda message: f"{message.batch_id}:{message.position}",  # recipient
    "batch_id": attrgetter("batch_id"),
    "position": attrgetter("position"),
    "attempt": attrgetter("attempt"),
}
_ENCODING: Final = "encoding"  # of its text, in the provider's words
_NAMES: Final = (*_VALUES, _ENCODING)
TO: Final = frozenset({"to", "to_digits"})
MESSAGES: Final = "messages"  # the list of rendered items
SECRET: Final = "env:"  # <env:NAME> is the environment variable NAME  # noqa: S105
_PLACEHOLDER = re.compile(r"<(env:[A-Za-z_][A-Za-z0-9_]*|[A-Za-z_]+)>")


def values(encodings: Mapping[Encoding, str | int]) -> Mapping[str, Value]:
    """Return what the placeholders of a message stand for, by name."""

    def encoding(message: Message) -> str | int:
        found = segments.count(message.text).encoding
        return encodings.get(found, found.value)

    return {**_VALUES, _ENCODING: encoding}


def split(text: str) -> Iterator[tuple[str, str]]:
    """
    Yield ``(literal, placeholder)`` pairs; the last one has an empty placeholder.

    Raises:
        ValueError: a placeholder that does not exist or cannot stand there.
    """
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        name = found[1]
        if not _is_known(name):
            known = ", ".join(f"<{name}>" for name in (*_NAMES, MESSAGES, "env:NAME"))
            problem = f"there is no placeholder <{name}>; there are {known}"
            raise ValueError(problem)
        if name == MESSAGES and found[0] != text:
            problem = f"<{MESSAGES}> is a whole list and stands alone, not in {text!r}"
            raise ValueError(problem)
        yield text[end : found.start()], name
        end = found.end()
    yield text[end:], ""


def names_in(node: JsonValue) -> set[str]:
    """
    Return the placeholders used anywhere in a JSON structure.

    Raises:
        ValueError: a placeholder that does not exist.
    """
    if isinstance(node, str):
        return {name for _, name in split(node) if name}
    children: Iterable[JsonValue] = ()
    if isinstance(node, dict):
        children = node.values()
    elif isinstance(node, list):
        children = node
    return set[str]().union(*map(names_in, children))


def written_in(text: str) -> list[str]:
    """Return the placeholders in ``text``, as they are written."""
    return [f"<{name}>" for name in _PLACEHOLDER.findall(text) if _is_known(name)]


def keys_in(node: JsonValue) -> Iterator[str]:
    """Yield the keys anywhere in a JSON structure."""
    if isinstance(node, dict):
        yield from node
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from keys_in(child)


def _is_known(name: str) -> bool:
    return name in _NAMES or name == MESSAGES or name.startswith(SECRET)
