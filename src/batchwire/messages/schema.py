"""
The JSON Schema (2020-12) of each message, made from the rules of its fields.

It describes what is written and what is read: null, and Go's zero values, where they
are taken for "absent". What a schema refuses the reader refuses. The other way round a
few things are beyond a schema: a day that no calendar has, and 5.0 for 5.
"""

import inspect

from batchwire.messages.message import BatchMessage, WireField, wire_fields
from batchwire.messages.recognition import MAJOR_VERSION
from batchwire.messages.rule import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SAYS_NOTHING: tuple[object, ...] = ("", None, (), {})  # defaults that need no telling


def document(kind: type[BatchMessage]) -> Schema:
    """Return the schema of a message as a document of its own."""
    identifier = f"urn:batchwire:{kind.TYPE}:v{MAJOR_VERSION}"
    return {"$schema": DIALECT, "$id": identifier, **schema_of(kind)}


def schema_of(kind: type[BatchMessage]) -> Schema:
    """Return the schema of a message, to be a part of another document."""
    fields = wire_fields(kind)
    schema: Schema = {
        "title": kind.__name__,
        "description": (inspect.getdoc(kind) or "")
        .split("\n", 1)[0]
        .replace("``", "`"),
        "type": "object",
        "properties": {name: _property(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.is_required],
        "additionalProperties": True,  # kept, and written again
    }
    for rule in kind.TOGETHER:
        schema |= rule.schema()
    return schema


def _property(field: WireField) -> Schema:
    schema = {"description": field.meaning, **field.rule.schema()}
    if field.is_required:
        return schema
    schema["type"] = [schema["type"], "null"]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    if field.default not in _SAYS_NOTHING:
        schema["default"] = field.default
    return schema
