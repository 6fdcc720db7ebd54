"""
Request bodies, compiled: everything but the values of a message is encoded once.

What is left to do for a message is one ``%`` over its values, with hardly a frame of
Python: a call costs more here than the work (the caches are cold).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import call
from urllib.parse import quote_plus

import msgspec
from pydantic import JsonValue

from batchwire.adapters.http.credentials import Secrets
from batchwire.adapters.http.paths import as_text
from batchwire.adapters.http.placeholders import (
    MESSAGES,
    SECRET,
    Value,
    split,
    values,
)
from batchwire.adapters.http.settings import HttpSettings
from batchwire.domain.outcome import Message

Render = Callable[[Sequence[Message]], bytes]
_Escape = Callable[[str | int], bytes]
_Hole = tuple[Value, _Escape]
_LIST = b"\0"  # where the items go; JSON never contains a NUL
_encode = msgspec.json.Encoder().encode


def compile_body(settings: HttpSettings, secret: Secrets) -> Render:
    """
    Return what renders the body of a request for 1 … ``batch_size`` messages.

    Raises:
        ProviderSettingsRefused: an environment variable is missing.
    """
    given = _Given(secret, values(settings.encodings))
    if settings.encoding == "form":
        return _Shape.of(_form(settings.body, given)).render_first
    body = _Shape.of(_json(settings.body, given))
    if settings.item is None:
        return body.render_first
    item = _Shape.of(_json(settings.item, given))
    frame = body.text.replace(b"%%", b"%")
    return lambda messages: frame.replace(
        _LIST, b"[%b]" % b",".join(map(item.render, messages))
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """What placeholders stand for: secrets now, values with each message."""

    secret: Secrets
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class _Shape:
    """Encoded bytes, with a ``%b`` for each hole: what stands there, and how."""

    text: bytes
    values: tuple[Value, ...]
    escapes: tuple[_Escape, ...]

    @classmethod
    def of(cls, pieces: Iterator[bytes | _Hole]) -> "_Shape":
        text, holes = b"", list[_Hole]()
        for piece in pieces:
            if isinstance(piece, bytes):
                text += piece.replace(b"%", b"%%")
            else:
                text += b"%b"
                holes.append(piece)
        return cls(text, tuple(v for v, _ in holes), tuple(e for _, e in holes))

    def render_first(self, messages: Sequence[Message]) -> bytes:
        values = map(call, self.values, repeat(messages[0]))
        return self.text % tuple(map(call, self.escapes, values))

    def render(self, message: Message) -> bytes:
        return self.render_first((message,))


def _json(node: JsonValue, given: _Given) -> Iterator[bytes | _Hole]:
    if isinstance(node, dict):
        yield b"{"
        for number, (key, value) in enumerate(node.items()):
            yield (b"," if number else b"") + _encode(key) + b":"
            yield from _json(value, given)
        yield b"}"
    elif isinstance(node, list):
        yield b"["
        for number, value in enumerate(node):
            yield b"," if number else b""
            yield from _json(value, given)
        yield b"]"
    elif isinstance(node, str):
        yield from _json_string(node, given)
    else:
        yield _encode(node)


def _json_string(text: str, given: _Given) -> Iterator[bytes | _Hole]:
    if text == f"<{MESSAGES}>":
        yield _LIST
    elif text[1:-1] in given.values and text == f"<{text[1:-1]}>":
        yield given.values[text[1:-1]], _encode
    else:
        yield b'"'
        yield from _filled(text, given, _inside_string)
        yield b'"'


def _form(fields: dict[str, JsonValue], given: _Given) -> Iterator[bytes | _Hole]:
    for number, (name, value) in enumerate(fields.items()):
        yield f"{'&' if number else ''}{quote_plus(name)}=".encode()
        text = value if isinstance(value, str) else _encode(value).decode()
        yield from _filled(text, given, _url_encoded)


def _filled(text: str, given: _Given, escape: _Escape) -> Iterator[bytes | _Hole]:
    for literal, name in split(text):
        yield escape(literal)
        if name.startswith(SECRET):
            yield escape(given.secret(name.removeprefix(SECRET)))
        elif name:
            yield given.values[name], escape


def _inside_string(value: str | int) -> bytes:
    return _encode(as_text(value))[1:-1]


def _url_encoded(value: str | int) -> bytes:
    return quote_plus(as_text(value)).encode()
