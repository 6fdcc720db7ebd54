"""Whether a record fits what is published of it; needs the package ``jsonschema``."""

from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from batchwire.domain.record import Record
from batchwire.messages import headers, schema
from batchwire.messages.message import MessageType
from batchwire.messages.requests import KINDS


def misfits(record: Record) -> list[str]:
    """
    Say, place by place, what in a record of ours is not as published.

    Stricter than for readers: a header that is not described is a misfit, and one that
    we always write must be there.
    """
    texts = {name: (value or b"").decode() for name, value in record.headers}
    name = MessageType(texts["message_type"])
    return [
        *body_misfits(name, msgspec.json.decode(record.value or b"")),
        *_told(_headers(name), texts),
    ]


def body_misfits(name: MessageType, body: object) -> list[str]:
    """Say, place by place, where the JSON of a message does not fit its schema."""
    return _told(_body(name), body)


def _told(validator: Draft202012Validator, value: object) -> list[str]:
    return [f"{one.json_path}: {one.message}" for one in validator.iter_errors(value)]


@cache
def _body(name: MessageType) -> Draft202012Validator:
    return _validator(schema.document(KINDS[name]))


@cache
def _headers(name: MessageType) -> Draft202012Validator:
    strict = {"additionalProperties": False, "required": sorted(headers.ALWAYS)}
    return _validator(headers.schema_of(name) | strict)


def _validator(described: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(described)
    return Draft202012Validator(described)
