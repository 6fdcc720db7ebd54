"""
The record around a message: key, headers, value. It knows no Kafka library.

Headers are those of CONTRACT.md: ``message_type`` and its kin for the services that
exist, CloudEvents 1.0 in binary mode (Kafka protocol binding, section 3.2) for the
rest, W3C trace context.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec
from msgspec.structs import force_setattr

from batchwire.domain.record import Headers
from batchwire.messages import rules
from batchwire.messages.requests import (
    AnyBatchMessage,
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)
from batchwire.messages.times import format_time

OBSERVED = "observed"  # value of header ``execution``: another system sends the batch

SEQUENCE_DIGITS = 19  # so that texts sort as numbers up to 2**63 - 1


class EventContext(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the headers say that the message does not.

    ``event_id``: a UUIDv7, the same on every resend. ``source``: a URI reference that
    names this installation. ``type_prefix``: a reverse domain, ``io.batchwire``.
    ``time``: when it happened, aware. ``sequence``: the batch's event number from 1,
    ``None`` where the batch is not ours to number. ``is_observed``: the request only
    announces a batch that another system sends.

    Raises:
        MalformedMessage: a field is empty that must not be, or breaks its rule.
    """

    event_id: str
    source: str
    type_prefix: str
    time: datetime
    sequence: int | None = None
    correlation_id: str = ""
    causation_id: str = ""
    traceparent: str = ""
    tracestate: str = ""
    is_observed: bool = False

    def __post_init__(self) -> None:
        for name in ("event_id", "source", "type_prefix"):
            rules.required(name, getattr(self, name))
        for name in ("correlation_id", "causation_id", "traceparent", "tracestate"):
            rules.text(name, getattr(self, name))
        force_setattr(self, "time", rules.utc("time", self.time))
        if self.sequence is not None:
            rules.whole("sequence", self.sequence, 1)


def write_headers(message: AnyBatchMessage, context: EventContext) -> Headers:
    """Return the headers of a record in a fixed order; empty ones are left out."""
    pairs = (*_plain(message, context), *_cloud_event(message, context))
    return tuple((name, text.encode()) for name, text in pairs if text)


def read_header(headers: Mapping[str, bytes | None], name: str) -> str:
    """
    Return the text of a header, ``""`` where it is absent.

    Raises:
        MalformedMessage: it is not UTF-8, or holds a NUL character.
    """
    value = headers.get(name)
    if not value:
        return ""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise rules.refuse(f"header {name}", value, "UTF-8") from None
    return rules.text(f"header {name}", text) if "\0" in text else text


def _plain(
    message: AnyBatchMessage, context: EventContext
) -> Iterator[tuple[str, str]]:
    yield "message_type", message.TYPE
    yield "batch_id", message.batch_id
    yield "timestamp", str(int(context.time.timestamp()))
    match message:
        case BatchMessageRequest():
            yield "batch_type", message.batch_type
            yield "user_id", message.user_id
        case BatchStatusUpdateRequest():
            yield "status", message.status
            yield "current_phase", message.current_phase
        case BatchOperationRequest():
            yield "operation", message.operation
            yield "phase", message.phase
            yield "operator_id", message.operator_id
    yield "execution", OBSERVED if context.is_observed else ""
    yield "traceparent", context.traceparent
    yield "tracestate", context.tracestate


def _cloud_event(
    message: AnyBatchMessage, context: EventContext
) -> Iterator[tuple[str, str]]:
    number = context.sequence
    yield "content-type", "application/json"
    yield "ce_specversion", "1.0"
    yield "ce_id", context.event_id
    yield "ce_source", context.source
    yield "ce_type", f"{context.type_prefix}.{message.TYPE}.v1"
    yield "ce_subject", message.batch_id
    yield "ce_time", format_time(context.time)
    yield "ce_sequence", "" if number is None else f"{number:0{SEQUENCE_DIGITS}}"
    yield "ce_correlationid", context.correlation_id
    yield "ce_causationid", context.causation_id
