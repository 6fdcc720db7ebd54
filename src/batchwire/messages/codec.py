"""Messages to records and back."""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from batchwire.domain.record import UNREADABLE, Headers, Record
from batchwire.errors import MalformedMessage
from batchwire.messages import cloud_event
from batchwire.messages.body import read_body, write_body
from batchwire.messages.dead_letter import redriven_as
from batchwire.messages.envelope import (
    OBSERVED,
    SEQUENCE_DIGITS,
    EventContext,
    read_header,
    write_headers,
)
from batchwire.messages.json_object import format_object, parse_object
from batchwire.messages.plain import read_plain
from batchwire.messages.recognition import named_type, recognise
from batchwire.messages.requests import (
    KINDS,
    AnyBatchMessage,
    BatchMessageRequest,
)

_TRACES = frozenset(
    {
        "ce_sequence",
        "ce_correlationid",
        "ce_causationid",
        "traceparent",
        "ce_traceparent",
        "tracestate",
        "ce_tracestate",
        "execution",
        "ce_execution",
    }
)
_is_uuid = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_BINARY = b"application/json"


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """
    A message and what its record says of it.

    ``event_id`` tells repeats of one event from other events (see ``decode``).
    ``source`` and the other texts are empty where the record does not have them;
    ``sequence`` is ``None``. ``headers``: all that the record had, known or not.
    """

    message: AnyBatchMessage
    event_id: str
    source: str = ""
    sequence: int | None = None
    correlation_id: str = ""
    causation_id: str = ""
    traceparent: str = ""
    tracestate: str = ""
    is_observed: bool = False
    headers: Headers = ()


def encode(message: AnyBatchMessage, context: EventContext) -> Record:
    """
    Return the record of a message; the same arguments give the same bytes.

    Raises:
        MalformedMessage: something in ``params``, ``metadata`` or ``extra`` is no JSON.

    Source: CONTRACT.md, "Record".
    """
    return Record(
        key=message.batch_id.encode(),
        value=format_object(write_body(message)),
        headers=write_headers(message, context),
    )


def decode(record: Record) -> Decoded:
    """
    Return the message of a record, whoever wrote it, and its event id.

    The event id is ``ce_id``, with ``ce_source`` where it is no UUID: CloudEvents ids are
    unique together with their source only (1.0, chapter "id"). Else it is made of the
    ``request_id``; else of the record's place, the first one where it was redriven. A
    ``request_id`` stands for one event only together with its type, because the
    specification's samples have one for a request, its status and its operation; requests
    of one ``request_id`` differ by their ``batch_id``, status updates and operations by
    their bytes.

    Raises:
        MalformedMessage: the value or a header is unusable, or nothing identifies it.
        UnsupportedType: none of the three messages, or of a newer major version.
    """
    headers = dict(record.headers)
    if UNREADABLE in headers:
        raise MalformedMessage("headers", "a header has a name that is not UTF-8")
    if _is_structured(headers):
        attributes, body = cloud_event.unwrap(parse_object(record.value))
        headers = {**headers, **{k: v.encode() for k, v in attributes.items()}}
        message = read_body(KINDS[recognise(headers, body)], body)
    else:
        message = _message(headers, record.value)
    traced = _traced(headers) if not headers.keys().isdisjoint(_TRACES) else {}
    return Decoded(
        message=message,
        event_id=_given_id(headers) or _own_id(message, record),
        source=read_header(headers, "ce_source"),
        headers=record.headers,
        **traced,
    )


def _traced(headers: Mapping[str, bytes | None]) -> dict[str, Any]:
    """Read what says how the event belongs to others; most records say nothing."""
    return {
        "sequence": _sequence(read_header(headers, "ce_sequence")),
        "correlation_id": read_header(headers, "ce_correlationid"),
        "causation_id": read_header(headers, "ce_causationid"),
        "traceparent": _extension(headers, "traceparent"),
        "tracestate": _extension(headers, "tracestate"),
        "is_observed": _extension(headers, "execution") == OBSERVED,
    }


def _message(
    headers: Mapping[str, bytes | None], value: bytes | None
) -> AnyBatchMessage:
    named = named_type(headers)
    if named and value and (plain := read_plain(KINDS[named], value)):
        return plain
    body = parse_object(value)
    return read_body(KINDS[named or recognise(headers, body)], body)


def _is_structured(headers: Mapping[str, bytes | None]) -> bool:
    if headers.get("content-type") == _BINARY:  # as nearly all have it
        return False
    content_type = read_header(headers, "content-type").partition(";")[0]
    return content_type.strip().lower() == cloud_event.CONTENT_TYPE


def _extension(headers: Mapping[str, bytes | None], name: str) -> str:
    """Read a header that structured mode has as an extension attribute."""
    return read_header(headers, name) or read_header(headers, f"ce_{name}")


def _given_id(headers: Mapping[str, bytes | None]) -> str:
    ce_id, source = read_header(headers, "ce_id"), read_header(headers, "ce_source")
    is_alone = not ce_id or not source or _is_uuid(ce_id)
    return ce_id if is_alone else f"{source} {ce_id}"


def _own_id(message: AnyBatchMessage, record: Record) -> str:
    if not message.request_id:
        return _place_id(record)
    own_id = f"{message.TYPE}:{message.request_id}"
    if isinstance(message, BatchMessageRequest):
        return f"{own_id}:{message.batch_id}"
    digest = blake2b(record.value or b"", digest_size=8).hexdigest()
    return f"{own_id}:{digest}"


def _place_id(record: Record) -> str:
    first = redriven_as(record)
    if first:
        return first
    place = record.place
    if place is None:
        problem = "is missing, and neither ce_id nor a place in a log identifies it"
        raise MalformedMessage(field="request_id", problem=problem)
    return f"{place.topic}:{place.partition}:{place.offset}"


def _sequence(digits: str) -> int | None:
    """Read our numbering; others may put any text into this extension."""
    is_number = digits.isascii() and digits.isdecimal()
    return int(digits) if is_number and len(digits) <= SEQUENCE_DIGITS else None
